package bulk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/bulk"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

type token struct{}

func (token) AuthenticateRequest(_ context.Context, r *abstractions.RequestInformation, _ map[string]any) error {
	r.Headers.TryAdd("Authorization", "Bearer test")
	return nil
}

const (
	principal = "11111111-2222-4333-8444-555555555555"
	jobID     = "API2AAD.0f1e2d3c.x"
)

func job(t testing.TB, server *entratest.Server) *bulk.Job {
	t.Helper()
	a, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(token{}, nil, nil, &http.Client{Transport: server.Transport()})
	require.NoError(t, err)
	a.SetBaseUrl("https://graph.ashdown.example/v1.0")
	return &bulk.Job{Client: &entra.Client{Adapter: a}, ServicePrincipal: principal, ID: jobID}
}

func service(p entratest.ProvisioningJob) *entratest.Server {
	server := entratest.New(entratest.Config{})
	p.ServicePrincipal, p.ID = principal, jobID
	server.AddProvisioningJob(p)
	return server
}

func record(i int) bulk.Record {
	return bulk.Record{ExternalID: fmt.Sprint(70000 + i), Attributes: map[string]any{
		"userName": fmt.Sprintf("user%05d@ashdown.example", i), "displayName": fmt.Sprintf("User %05d", i), "active": true,
		bulk.SchemaEnterprise + ":department": "Ward 3",
	}}
}

func uploads(server *entratest.Server) (out []entratest.Request) {
	for _, r := range server.Requests() {
		if r.Method == http.MethodPost {
			out = append(out, r)
		}
	}
	return out
}

func TestEncode(t *testing.T) {
	r := bulk.Record{ExternalID: "701984"}
	r.Set("userName", "ann@ashdown.example")
	r.Set("name.givenName", "Ann")
	r.Set("name.familyName", "Oakley")
	r.Set(`addresses[type eq "work"].locality`, "Leeds")
	r.Set(`addresses[type eq "work"].country`, nil)
	r.Set(`phoneNumbers[type eq "mobile"].value`, "+44 7")
	r.Set(bulk.SchemaEnterprise+":department", "Ward 3")
	r.Set("urn:ashdown:employee:Shift", 3)
	r.Set("active", false)
	got, err := bulk.Encode([]bulk.Record{r})
	require.NoError(t, err)
	require.JSONEq(t, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"failOnErrors":null,"Operations":[{"method":"POST","bulkId":"701984","path":"/Users","data":{
		"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ashdown:employee","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"externalId":"701984","userName":"ann@ashdown.example","active":false,"name":{"givenName":"Ann","familyName":"Oakley"},
		"addresses":[{"type":"work","locality":"Leeds","country":null}],"phoneNumbers":[{"type":"mobile","value":"+44 7"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Ward 3"},"urn:ashdown:employee":{"Shift":3}}}]}`, string(got))

	for _, path := range []string{"", ".", "a.", "a[", `a[type eq "x"]`, `a[value eq "x"].b`, "a.b.c", `a"b`, "externalId", "schemas", "urn:x:", "name"} {
		bad := bulk.Record{ExternalID: "1", Attributes: map[string]any{path: 1, "name.givenName": "x"}}
		_, err := bulk.Encode([]bulk.Record{bad})
		require.Error(t, err, path)
	}
	_, err = bulk.Encode(nil)
	require.Error(t, err)
	_, err = bulk.Encode([]bulk.Record{{}})
	require.ErrorContains(t, err, "no ExternalID")
	_, err = bulk.Encode([]bulk.Record{r, r})
	require.ErrorContains(t, err, "two records")
	_, err = bulk.Encode(make([]bulk.Record, 51))
	require.ErrorContains(t, err, "1 to 50")
}

// TestUploadAndFollow: records are created and changed, the fate of each is found, also of those that fail.
func TestUploadAndFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := service(entratest.ProvisioningJob{Delay: 20 * time.Minute, Reject: func(d entratest.Object) (string, string) {
			if d["externalId"] == "70003" {
				return "AttributeValidationFailure", "it does not please"
			}
			return "", ""
		}})
		server.AddUser(entratest.Object{"employeeId": "70001", "userPrincipalName": "old@ashdown.example", "department": "Theatre"})
		j := job(t, server)
		var records []bulk.Record
		for i := range 120 {
			records = append(records, record(i))
		}
		receipt, err := j.Upload(t.Context(), records)
		require.NoError(t, err)
		require.Len(t, receipt.Sent, 120)
		require.Len(t, uploads(server), 3)
		require.Equal(t, "application/scim+json", uploads(server)[0].Header.Get("Content-Type"))

		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		fates, err := j.Follow(short, receipt)
		require.ErrorIs(t, err, bulk.ErrUnaccounted)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "120 of 120")
		require.Empty(t, fates)

		// A receipt is data.
		b, err := json.Marshal(receipt)
		require.NoError(t, err)
		var kept bulk.Receipt
		require.NoError(t, json.Unmarshal(b, &kept))
		fates, err = j.Follow(t.Context(), &kept)
		require.NoError(t, err)
		require.Len(t, fates, 120)
		ok := 0
		for i, f := range fates {
			require.Equal(t, fmt.Sprint(70000+i), f.ExternalID)
			switch i {
			case 1:
				require.Equal(t, "update", f.Action)
				require.Contains(t, f.Changed, "department")
			case 3:
				require.Equal(t, "failure", f.Status)
				require.Equal(t, "AttributeValidationFailure", f.Code)
				require.False(t, f.OK())
				continue
			default:
				require.Equal(t, "create", f.Action)
			}
			require.True(t, f.OK())
			require.False(t, f.User.IsZero())
			ok++
		}
		require.Equal(t, 119, ok)
		require.Len(t, server.Users(), 119)

		// The same again changes nothing, and the old entries of the log are not taken for the new fates.
		time.Sleep(time.Hour)
		receipt, err = j.Upload(t.Context(), records[:2])
		require.NoError(t, err)
		fates, err = j.Follow(t.Context(), receipt)
		require.NoError(t, err)
		require.Len(t, fates, 2)
		for _, f := range fates {
			require.Equal(t, "skipped", f.Status)
			require.True(t, f.OK())
		}
	})
}

// TestRate: the documented pace is never exceeded, and reached.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := service(entratest.ProvisioningJob{Delay: -1})
		var records []bulk.Record
		for i := range 4_000 {
			records = append(records, record(i))
		}
		j := job(t, server)
		last := 0
		j.Progress = func(done, total int) { last = done; require.Equal(t, 4_000, total) }
		begin := time.Now()
		_, err := j.Upload(t.Context(), records)
		require.NoError(t, err)
		require.Equal(t, 4_000, last)
		sent := uploads(server)
		require.Len(t, sent, 80)
		require.Equal(t, 40, entratest.Peak(sent, time.Second))
		require.InDelta(t, 1, time.Since(begin).Seconds(), 0.05)
	})
}

// TestUploadFaults: what was refused or lost is sent again, exactly when it may be; what is wrong is not.
func TestUploadFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := service(entratest.ProvisioningJob{})
		server.Script(
			entratest.Fault{Method: "POST", Status: 429, RetryAfter: "1.5"},
			entratest.Fault{Method: "POST", Drop: true, Effect: true},
			entratest.Fault{Method: "POST", Status: 502, Page: entratest.HTMLPage},
		)
		begin := time.Now()
		receipt, err := job(t, server).Upload(t.Context(), []bulk.Record{record(1)})
		require.NoError(t, err)
		require.Len(t, receipt.Sent, 1)
		require.Len(t, server.Users(), 1)
		require.GreaterOrEqual(t, time.Since(begin), 1500*time.Millisecond)

		server.Script(entratest.Fault{Method: "POST", Times: -1, Status: 403})
		receipt, err = job(t, server).Upload(t.Context(), []bulk.Record{record(1)})
		require.ErrorIs(t, err, ldapsync.ErrPermission)
		require.Contains(t, receipt.Refused, "70001")
		require.Empty(t, receipt.Sent)

		n := len(server.Requests())
		_, err = job(t, server).Upload(t.Context(), []bulk.Record{record(1), {}})
		require.Error(t, err)
		_, err = job(t, server).Upload(t.Context(), append(make([]bulk.Record, 0), record(1), record(2), record(1)))
		require.ErrorContains(t, err, "two records")
		require.Len(t, server.Requests(), n, "nothing is sent where a record is wrong")
		_, err = (&bulk.Job{}).Upload(t.Context(), nil)
		require.Error(t, err)
		j := job(t, server)
		_, err = j.Follow(t.Context(), &bulk.Receipt{Job: "another"})
		require.ErrorContains(t, err, "of job another")
	})
}

func TestFromPlan(t *testing.T) {
	edit := func(attr string, before, after ldapsync.ValueList) ldapsync.PlannedEdit {
		return ldapsync.PlannedEdit{Attr: attr, Before: before, After: after}
	}
	id := ldapsync.GUID{1}
	p := &ldapsync.Plan{Items: []ldapsync.Item{
		{Action: ldapsync.ActionCreate, Class: ldapsync.User, Source: id, Edits: []ldapsync.PlannedEdit{
			edit("employeeId", nil, ldapsync.ValueList{"1"}), edit("userPrincipalName", nil, ldapsync.ValueList{"ann@ashdown.example"}),
			edit("accountEnabled", nil, ldapsync.ValueList{"TRUE"}), edit("extensionAttribute1", nil, ldapsync.ValueList{"x"})}},
		{Action: ldapsync.ActionUpdate, Class: ldapsync.User, Source: ldapsync.GUID{2}, Edits: []ldapsync.PlannedEdit{edit("Department", ldapsync.ValueList{"a"}, ldapsync.ValueList{"b"}), edit("city", ldapsync.ValueList{"a"}, nil)}},
		{Action: ldapsync.ActionUpdate, Class: ldapsync.Device, Source: id},
		{Action: ldapsync.ActionDelete, Class: ldapsync.User, Source: id},
		{Action: ldapsync.ActionHold, Class: ldapsync.User, Source: id},
	}}
	records, skipped := bulk.FromPlan(p, bulk.PlanOptions{})
	require.Equal(t, []bulk.Record{{ExternalID: "1", Attributes: map[string]any{"userName": "ann@ashdown.example", "active": true}}}, records)
	require.Len(t, skipped, 4)
	require.Equal(t, "extensionAttribute1", skipped[0].Attr)

	records, skipped = bulk.FromPlan(p, bulk.PlanOptions{
		Clear: bulk.ClearNull, Paths: bulk.Extend(bulk.DefaultPaths(), map[string]string{"extensionAttribute1": "urn:ashdown:employee:Code"}),
		ExternalID: func(it *ldapsync.Item) string { return fmt.Sprint(it.Source[0]) },
	})
	require.Len(t, records, 2)
	require.Equal(t, "x", records[0].Attributes["urn:ashdown:employee:Code"])
	require.Equal(t, map[string]any{bulk.SchemaEnterprise + ":department": "b", `addresses[type eq "work"].locality`: nil}, records[1].Attributes)
	require.Len(t, skipped, 2)
}

// FuzzPath: any path is taken or refused, and never panics.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"userName", "name.givenName", `addresses[type eq "work"].locality`, "urn:a:b:c", "a[", "urn:", `a[type eq "].b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := bulk.Encode([]bulk.Record{{ExternalID: "1", Attributes: map[string]any{s: "v"}}})
		if err == nil && !json.Valid(b) {
			t.Fatalf("%q makes %s", s, b)
		}
	})
}

// Example sends the users of a plan and asks what became of them.
func Example() {
	server := entratest.New(entratest.Config{})
	server.AddProvisioningJob(entratest.ProvisioningJob{ServicePrincipal: principal, ID: jobID})
	a, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(token{}, nil, nil, &http.Client{Transport: server.Transport()})
	if err != nil {
		fmt.Println(err)
		return
	}
	a.SetBaseUrl("https://graph.ashdown.example/v1.0")
	job := &bulk.Job{Client: &entra.Client{Adapter: a}, ServicePrincipal: principal, ID: jobID}

	ann := bulk.Record{ExternalID: "4711"}
	ann.Set("userName", "ann@ashdown.example")
	ann.Set("displayName", "Ann Oakley")
	receipt, err := job.Upload(context.Background(), []bulk.Record{ann})
	if err != nil {
		fmt.Println(err)
		return
	}
	fates, err := job.Follow(context.Background(), receipt)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range fates {
		fmt.Println(f.ExternalID, f.Action, f.Status)
	}
	// Output: 4711 create success
}
