// Package graph reads what Microsoft Graph knows about co-management, over any kiota request adapter.
//
//	reader := &graph.Reader{Adapter: adapter, Beta: true}
//	for device, err := range reader.ManagedDevices(ctx) {
//		…
//	}
//
// Answers are decoded as raw JSON by comgmt.DecodeGraph, so that a member that is absent stays unknown and one that Graph
// adds later is kept; the typed model of the Graph SDK has neither Endpoint Protection nor Office, and could not
// tell absent from false. The package imports kiota only, never the Graph SDK, whose models take minutes to compile. Build the
// adapter with msgraph-sdk-go-core or kiota-http-go, or take the one of a GraphServiceClient. Retries are the Reader's: the
// adapter's own, which cut Retry-After to whole seconds, are off for its requests.
//
// It only reads. Permission: DeviceManagementManagedDevices.Read.All; Domain.Read.All for Domains.
package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"go.internal/hybridkit/comgmt"
)

// A Reader reads from one tenant. Its methods may be called concurrently if the adapter's may, which kiota's are.
type Reader struct {
	// Adapter sends the requests. Its base URL must be set, such as https://graph.microsoft.com/v1.0.
	Adapter abstractions.RequestAdapter
	// Beta asks Graph beta, which alone has Endpoint Protection, Office, the client's health and the summaries. Microsoft
	// does not support beta in production and may change it.
	Beta bool
	// PageSize is the number of entities in a page; 0 leaves it to Graph.
	PageSize int32
	// MaxTries is how often a request is sent in all when Graph answers 429, 502, 503 or 504; 0 is 6, 1 never repeats. The
	// wait is what Retry-After says, exactly, or 1, 2, 4 … seconds.
	MaxTries int
}

// Errors of a [Reader].
var (
	ErrNoAdapter = errors.New("comgmt/graph: Reader.Adapter is nil")
	ErrBetaOnly  = errors.New("comgmt/graph: only Graph beta has this; set Reader.Beta")
	ErrNotFound  = errors.New("comgmt/graph: no such device")
	ErrNextLink  = errors.New("comgmt/graph: the next page is on another host: not followed, since the token would go there")
	ErrNoAnswer  = errors.New("comgmt/graph: Graph answered without a body")
	ErrNoToken   = errors.New("comgmt/graph: the request went out without a token: the host is not among the allowed hosts of the adapter's token provider")
)

// v1Select is what v1.0 has of a managed device that matters here; beta has the rest.
var (
	v1Select   = []string{"id", "deviceName", "managementAgent", "deviceEnrollmentType", "lastSyncDateTime", "configurationManagerClientEnabledFeatures"}
	betaSelect = append(v1Select[:len(v1Select):len(v1Select)], "joinType", "configurationManagerClientHealthState", "configurationManagerClientInformation")
)

func (r *Reader) fields() []string {
	if r.Beta {
		return betaSelect
	}
	return v1Select
}

// ManagedDevice returns one device by its Intune id. It returns an error that is [ErrNotFound] if there is none.
func (r *Reader) ManagedDevice(ctx context.Context, id string) (comgmt.GraphObject, error) {
	raw, err := r.get(ctx, "managedDevice", "/deviceManagement/managedDevices/{id}{?%24select}", map[string]string{"id": id}, map[string]any{"%24select": r.fields()})
	if err != nil {
		return comgmt.GraphObject{}, err
	}
	return first(raw)
}

// ManagedDevices yields the managed devices of the tenant, page by page as they are asked for. The first error ends the
// sequence.
func (r *Reader) ManagedDevices(ctx context.Context) iter.Seq2[comgmt.GraphObject, error] {
	return r.pages(ctx, "managedDevices", "/deviceManagement/managedDevices{?%24select,%24top}", map[string]any{"%24select": r.fields()})
}

// EligibleDevices yields the devices that are or can be co-managed (beta only).
func (r *Reader) EligibleDevices(ctx context.Context) iter.Seq2[comgmt.GraphObject, error] {
	if !r.Beta {
		return failed(ErrBetaOnly)
	}
	return r.pages(ctx, "comanagementEligibleDevices", "/deviceManagement/comanagementEligibleDevices{?%24top}", map[string]any{})
}

// CoManagedSummary returns the counters of co-managed devices per workload (beta only).
func (r *Reader) CoManagedSummary(ctx context.Context) (comgmt.GraphObject, error) {
	return r.summary(ctx, "getComanagedDevicesSummary")
}

// EligibleSummary returns the counters of eligible devices (beta only).
func (r *Reader) EligibleSummary(ctx context.Context) (comgmt.GraphObject, error) {
	return r.summary(ctx, "getComanagementEligibleDevicesSummary")
}

func (r *Reader) summary(ctx context.Context, function string) (comgmt.GraphObject, error) {
	if !r.Beta {
		return comgmt.GraphObject{}, ErrBetaOnly
	}
	raw, err := r.get(ctx, function, "/deviceManagement/"+function, map[string]string{}, nil)
	if err != nil {
		return comgmt.GraphObject{}, err
	}
	return first(raw)
}

// Domains returns the verified domains of the tenant, for comgmt.Precondition.
func (r *Reader) Domains(ctx context.Context) ([]string, error) {
	raw, err := r.get(ctx, "domains", "/domains{?%24select}", map[string]string{}, map[string]any{"%24select": []string{"id", "isVerified"}})
	if err != nil {
		return nil, err
	}
	return comgmt.DecodeDomains(bytes.NewReader(raw))
}

func first(raw []byte) (comgmt.GraphObject, error) {
	for o, err := range comgmt.DecodeGraph(bytes.NewReader(raw)) {
		return o, err
	}
	return comgmt.GraphObject{}, ErrNoAnswer
}

func failed(err error) iter.Seq2[comgmt.GraphObject, error] {
	return func(yield func(comgmt.GraphObject, error) bool) { yield(comgmt.GraphObject{}, err) }
}

// base returns the URL of the API version to ask.
func (r *Reader) base() string {
	base := strings.TrimSuffix(r.Adapter.GetBaseUrl(), "/")
	if r.Beta {
		if prefix, ok := strings.CutSuffix(base, "/v1.0"); ok {
			return prefix + "/beta"
		}
	}
	return base
}

func (r *Reader) get(ctx context.Context, operation, template string, path map[string]string, query map[string]any) ([]byte, error) {
	if r.Adapter == nil {
		return nil, ErrNoAdapter
	}
	path["hybridkitbase"] = r.base() // the adapter sets baseurl itself, and always to its own version
	ri := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(abstractions.GET, "{+hybridkitbase}"+template, path)
	for name, value := range query {
		ri.QueryParametersAny[name] = value
	}
	return r.send(ctx, operation, ri)
}

// maxEmpty is how many pages in a row may be empty; Graph promises nothing, but a list has to end.
const maxEmpty = 100

// pages yields the entities of all pages.
func (r *Reader) pages(ctx context.Context, operation, template string, query map[string]any) iter.Seq2[comgmt.GraphObject, error] {
	return func(yield func(comgmt.GraphObject, error) bool) {
		if r.PageSize > 0 {
			query["%24top"] = r.PageSize
		}
		raw, err := r.get(ctx, operation, template, map[string]string{}, query)
		seen := map[string]bool{} // a link that comes again would never end
		for empty := 0; ; {
			if err != nil {
				yield(comgmt.GraphObject{}, err)
				return
			}
			empty++
			for o, err := range comgmt.DecodeGraph(bytes.NewReader(raw)) {
				empty = 0
				if !yield(o, err) || err != nil {
					return
				}
			}
			if empty > maxEmpty {
				yield(comgmt.GraphObject{}, &Error{Operation: operation, Err: fmt.Errorf("%d pages in a row were empty", empty)})
				return
			}
			var page struct {
				Next string `json:"@odata.nextLink"`
			}
			if err = json.Unmarshal(raw, &page); err != nil || page.Next == "" {
				return // it was decoded a moment ago: an array has no next page
			}
			if seen[page.Next] {
				yield(comgmt.GraphObject{}, &Error{Operation: operation, Err: errors.New("the next page is one that was read already")})
				return
			}
			seen[page.Next] = true
			raw, err = r.follow(ctx, operation, page.Next)
		}
	}
}

// follow reads a next page from the host the first came from.
func (r *Reader) follow(ctx context.Context, operation, link string) ([]byte, error) {
	next, err := url.Parse(link)
	if err != nil {
		return nil, &Error{Operation: operation, Err: fmt.Errorf("next page: %w", err)}
	}
	base, err := url.Parse(r.base())
	if err != nil {
		return nil, &Error{Operation: operation, Err: err}
	}
	if next.Scheme != base.Scheme || !strings.EqualFold(next.Host, base.Host) || next.User != nil {
		return nil, &Error{Operation: operation, Err: ErrNextLink}
	}
	ri := abstractions.NewRequestInformation()
	ri.Method = abstractions.GET
	ri.SetUri(*next)
	return r.send(ctx, operation, ri)
}
