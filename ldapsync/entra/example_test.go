package entra_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	khttp "github.com/microsoft/kiota-http-go"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// fake is a client of a tenant in the process. A program takes its adapter from entraauth.NewAdapter, or from a
// GraphServiceClient it has.
func fake(tenant *entratest.Server) *entra.Client {
	a, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(token("test"), nil, nil, &http.Client{Transport: tenant.Transport()})
	if err != nil {
		panic(err)
	}
	a.SetBaseUrl("https://graph.ashdown.example/v1.0")
	return &entra.Client{Adapter: a}
}

// A whole cycle: one person in Active Directory, the account in Entra ID, and what a plan says of them.
func Example() {
	ctx := context.Background()
	ad := memdir.New(memdir.Config{})
	ou, _ := ad.AddOU("OU=Staff,DC=ashdown,DC=example")
	ad.Add(ldapsync.NewObject(ldapsync.GUID{}, ou.DN.Child("CN", "Ann Oakley"), ldapsync.User,
		ldapsync.Values("userPrincipalName", "ann@ashdown.example"), ldapsync.Values("sAMAccountName", "ann")))
	tenant := entratest.New(entratest.Config{})
	tenant.AddUser(entratest.Object{"userPrincipalName": "ann@ashdown.example"})

	target, err := entra.New(entra.Config{Client: fake(tenant)})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &ldapsync.Syncer{
		Source: ad, Target: target, State: memstate.New(), Workers: 40,
		Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{
			entra.UsersTrack("OU=Staff,DC=ashdown,DC=example", ldapsync.Mapping{ldapsync.Copy("sAMAccountName", "extensionAttribute1")}),
		}},
	}
	plan, err := s.Plan(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, it := range plan.Items {
		fmt.Println(it.Action, it.TargetDN, it.Edits[0].Attr, "=", it.Edits[0].After)
	}
	report, err := s.Apply(ctx, plan, ldapsync.ApplyOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("written:", report.Writes)
	fmt.Println(string(tenant.Writes()[0].Body))
	// Output:
	// update CN=ann@ashdown.example extensionAttribute1 = "ann"
	// written: 1
	// {"onPremisesExtensionAttributes":{"extensionAttribute1":"ann"}}
}

// A mapping that Graph cannot carry out is refused before anything is read.
func ExampleTarget_CheckTrack() {
	target, err := entra.New(entra.Config{Client: fake(entratest.New(entratest.Config{}))})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(target.CheckTrack(entra.UsersTrack("OU=Staff,DC=ashdown,DC=example", ldapsync.Mapping{ldapsync.Copy("proxyAddresses", "proxyAddresses")})))
	// Output:
	// entra: track users: proxyAddresses of a user cannot be written through Graph: Exchange writes it: use its tools
}

// Writes of one's own go through the same batches and the same budget.
func ExampleQueue_DoAll() {
	tenant := entratest.New(entratest.Config{})
	ann := tenant.AddUser(entratest.Object{"department": "Ward 3"})
	q := &entra.Queue{Client: fake(tenant), Budget: new(entra.Budget)}
	results := q.DoAll(context.Background(), []entra.Request{
		{Method: http.MethodPatch, Path: "/users/" + ann, Body: []byte(`{"department":null}`)},
		{Method: http.MethodPatch, Path: "/users/" + entra.Segment("nobody@ashdown.example"), Body: []byte(`{"department":null}`)},
	})
	for _, r := range results {
		fmt.Println(r.Response.Status, r.Err != nil)
	}
	// Output:
	// 204 false
	// 0 true
}

// Which computers have arrived in Entra ID, and what is wrong with the others.
func ExampleMatchDevices() {
	tenant := entratest.New(entratest.Config{})
	pc := computer(1)
	tenant.AddDevice(entratest.Object{"displayName": "PC-001", "deviceId": pc.ID.String(), "trustType": "ServerAd"})
	tenant.AddDevice(entratest.Object{"displayName": "PC-001", "trustType": "Workplace"})
	var devices []entra.Device
	for d, err := range fake(tenant).Devices(context.Background(), false) {
		if err != nil {
			fmt.Println(err)
			return
		}
		devices = append(devices, d)
	}
	for _, m := range entra.MatchDevices([]ldapsync.Object{pc}, devices, entra.DeviceRules{Now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}) {
		fmt.Println(m.Name, m.State)
		for _, i := range m.Issues {
			fmt.Println(" ", i.ID)
		}
	}
	// Output:
	// PC-001 pending
	//   certificate
	//   dual-state
}
