//go:build graphreport

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	msgraphsdk "github.com/microsoftgraph/msgraph-sdk-go"
	msgraphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/devicemanagement"
	"github.com/microsoftgraph/msgraph-sdk-go/devices"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"golang.org/x/term"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/examples/graphreport/report"
)

// read reads a tenant with the typed models, which are right for what is only read and where null and absent mean the
// same.
func read(ctx context.Context, adapter abstractions.RequestAdapter, o report.Options, p *progress) (*report.Report, error) {
	defer p.done()
	client := msgraphsdk.NewGraphServiceClient(adapter)

	filter := "trustType eq 'ServerAd'"
	var list []report.Device
	page, err := client.Devices().Get(ctx, &devices.DevicesRequestBuilderGetRequestConfiguration{QueryParameters: &devices.DevicesRequestBuilderGetQueryParameters{
		Filter: &filter, Expand: []string{"registeredOwners"},
		Select: []string{"id", "deviceId", "displayName", "operatingSystemVersion", "profileType", "accountEnabled", "isCompliant", "registrationDateTime", "approximateLastSignInDateTime"},
	}})
	if err == nil {
		err = each(ctx, page, adapter, models.CreateDeviceCollectionResponseFromDiscriminatorValue, func(d models.Deviceable) {
			list = append(list, device(d))
			p.count("devices of Entra ID", len(list))
		})
	}
	if err != nil {
		return nil, explain("devices", err)
	}

	var managed []report.Managed
	intune, err := client.DeviceManagement().ManagedDevices().Get(ctx, &devicemanagement.ManagedDevicesRequestBuilderGetRequestConfiguration{
		QueryParameters: &devicemanagement.ManagedDevicesRequestBuilderGetQueryParameters{
			Select: []string{"id", "azureADDeviceId", "managementAgent", "complianceState", "lastSyncDateTime"},
		}})
	if err == nil {
		err = each(ctx, intune, adapter, models.CreateManagedDeviceCollectionResponseFromDiscriminatorValue, func(d models.ManagedDeviceable) {
			managed = append(managed, management(d))
			p.count("devices of Intune", len(managed))
		})
	}
	if err != nil {
		return nil, explain("managedDevices", err)
	}
	return report.Build(list, managed, o), nil
}

// each goes through all pages of a list.
func each[T any](ctx context.Context, page any, adapter abstractions.RequestAdapter, factory serialization.ParsableFactory, use func(T)) error {
	it, err := msgraphcore.NewPageIterator[T](page, adapter, factory)
	if err != nil {
		return err
	}
	return it.Iterate(ctx, func(item T) bool {
		use(item)
		return ctx.Err() == nil
	})
}

func device(d models.Deviceable) report.Device {
	out := report.Device{
		DeviceID: text(d.GetDeviceId()), Name: text(d.GetDisplayName()), OSVersion: text(d.GetOperatingSystemVersion()), Profile: text(d.GetProfileType()),
		Enabled: d.GetAccountEnabled(), Compliant: d.GetIsCompliant(), Registered: when(d.GetRegistrationDateTime()), SeenAt: when(d.GetApproximateLastSignInDateTime()),
	}
	for _, owner := range d.GetRegisteredOwners() {
		name := text(owner.GetId())
		if u, ok := owner.(models.Userable); ok && text(u.GetUserPrincipalName()) != "" {
			name = text(u.GetUserPrincipalName())
		}
		out.Owners = append(out.Owners, name)
	}
	return out
}

func management(d models.ManagedDeviceable) report.Managed {
	out := report.Managed{DeviceID: text(d.GetAzureADDeviceId()), SyncedAt: when(d.GetLastSyncDateTime())}
	// An enumeration value the SDK does not know yet arrives as nil, and is reported as unknown.
	if a := d.GetManagementAgent(); a != nil {
		out.Agent = comgmt.ManagementAgent(a.String())
	}
	if c := d.GetComplianceState(); c != nil {
		out.Compliance = c.String()
	}
	return out
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func when(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// A readError is what could not be read, and why.
type readError struct {
	why string
	err error
}

func (e *readError) Error() string { return e.why }
func (e *readError) Unwrap() error { return e.err }

// explain puts an error of the SDK into words. It never calls the error's own Error, which panics where an answer has no
// error.message.
func explain(what string, err error) error {
	var o *odataerrors.ODataError
	if !errors.As(err, &o) {
		return &readError{what + ": " + err.Error(), err}
	}
	why := fmt.Sprintf("%s: Graph answered HTTP %d", what, o.GetStatusCode())
	if e := o.GetErrorEscaped(); e != nil {
		for _, part := range []*string{e.GetCode(), e.GetMessage()} {
			if t := text(part); t != "" {
				why += ": " + t
			}
		}
	}
	if h := o.GetResponseHeaders(); h != nil {
		for _, id := range h.Get("request-id") {
			why += " (request-id " + id + ")"
		}
	}
	return &readError{why, err}
}

// A progress counts on a terminal and is silent in a pipe.
type progress struct {
	w    io.Writer
	last time.Time
	used bool
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: w}
	}
	return &progress{}
}

func (p *progress) count(what string, n int) {
	if p.w == nil || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last, p.used = time.Now(), true
	fmt.Fprintf(p.w, "\r\x1b[K%d %s", n, what)
}

func (p *progress) done() {
	if p.used {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
