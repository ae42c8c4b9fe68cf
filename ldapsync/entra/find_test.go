package entra_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
	"go.internal/hybridkit/ldapsync/memstate"
)

// TestFind: by every property that users are matched by, quotes and all; advanced queries where they are needed.
func TestFind(t *testing.T) {
	server := entratest.New(entratest.Config{})
	server.AddApplication(entratest.Object{"appId": app})
	ext := entra.Extension{Name: "costCentre", AppID: app, Users: true}
	_, err := client(t, server.Transport()).DeclareExtensions(t.Context(), nil, []entra.Extension{ext})
	require.NoError(t, err)
	id := server.AddUser(entratest.Object{"userPrincipalName": "o'neill#1@ashdown.example", "mail": "o'neill@ashdown.example", "employeeId": "4711", "onPremisesImmutableId": "A+b/c==",
		"onPremisesSamAccountName": "oneill", "companyName": "Ashdown & Vale", "onPremisesExtensionAttributes": map[string]any{"extensionAttribute3": "x y"}, ext.FullName(): "cc"})
	people(server, 3)
	g := target(t, server.Transport(), func(c *entra.Config) { c.Extensions = []entra.Extension{ext} })
	for attr, value := range map[string]string{
		"userPrincipalName": "O'NEILL#1@ashdown.example", "mail": "o'neill@ashdown.example", "employeeId": "4711", "onPremisesImmutableId": "A+b/c==",
		"onPremisesSamAccountName": "oneill", "companyName": "Ashdown & Vale", "extensionAttribute3": "x y", "costCentre": "cc", "cn": "o'neill#1@ashdown.example",
	} {
		got, err := g.Find(t.Context(), ldapsync.User, attr, value, []string{"employeeId"})
		require.NoError(t, err, attr)
		require.Len(t, got, 1, attr)
		require.Equal(t, id, got[0].ID.String())
		require.Equal(t, []string{"4711"}, got[0].All("employeeId"))
		none, err := g.Find(t.Context(), ldapsync.User, attr, "nobody' or '1' eq '1", nil)
		require.NoError(t, err, attr)
		require.Empty(t, none)
	}
	for _, r := range server.Requests() {
		advanced := r.Header.Get("ConsistencyLevel") == "eventual"
		require.Equal(t, advanced, r.Query.Get("$count") == "true")
	}
	on, err := g.Find(t.Context(), ldapsync.User, "accountEnabled", "TRUE", nil)
	require.NoError(t, err)
	require.Len(t, on, 4)
	_, err = g.Find(t.Context(), ldapsync.User, "sn", "x", nil)
	require.ErrorContains(t, err, "surname")
	_, err = g.Find(t.Context(), ldapsync.User, "accountEnabled", "perhaps", nil)
	require.Error(t, err)

	device := server.AddDevice(entratest.Object{})
	d, _ := server.Device(device)
	got, err := g.Find(t.Context(), ldapsync.Device, "deviceId", d["deviceId"].(string), nil)
	require.NoError(t, err)
	require.Len(t, got, 1)
}

// TestReadFilter: Graph narrows the population down, and the query's own filter does the rest.
func TestReadFilter(t *testing.T) {
	server := entratest.New(entratest.Config{PageSize: 2})
	for _, u := range []entratest.Object{{"displayName": "a", "companyName": "Ashdown", "department": "x"}, {"displayName": "b", "companyName": "Ashdown"},
		{"displayName": "c", "companyName": "Other", "department": "x"}, {"displayName": "d", "companyName": "Ashdown", "department": "X"}} {
		server.AddUser(u)
	}
	g := target(t, server.Transport(), func(c *entra.Config) { c.UserFilter, c.UserName = "companyName eq 'Ashdown'", "displayName" })
	var names []string
	for o, err := range g.Read(t.Context(), ldapsync.Query{Class: ldapsync.User, Filter: "(department=x)"}) {
		require.NoError(t, err)
		_, n := o.DN.RDN()
		names = append(names, n)
	}
	require.ElementsMatch(t, []string{"a", "d"}, names)
	for _, r := range server.Requests() {
		require.Equal(t, "eventual", r.Header.Get("ConsistencyLevel"), "on every page")
	}
}

// TestCheckPlan: what Active Directory masters is told before anything is written.
func TestCheckPlan(t *testing.T) {
	server := entratest.New(entratest.Config{})
	ad, _ := estate(t, server, 50)
	for _, u := range []string{"user00003@ashdown.example", "user00017@ashdown.example"} {
		server.SetUser(u, entratest.Object{"onPremisesSyncEnabled": true, "onPremisesLastSyncDateTime": "2026-11-20T08:00:00Z"})
	}
	g := target(t, server.Transport(), func(c *entra.Config) { c.Linger = 0 })
	s := &ldapsync.Syncer{Source: ad, Target: g, State: memstate.New(),
		Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{track(ldapsync.Copy("department", "department"))}}}
	p, err := s.Plan(t.Context())
	require.NoError(t, err)
	server.ResetRequests()
	found, err := g.CheckPlan(t.Context(), p)
	require.NoError(t, err)
	require.Len(t, found, 2)
	for i, err := range found {
		require.ErrorIs(t, err, ldapsync.ErrPermission)
		require.Contains(t, p.Items[i].TargetDN.String(), "user000")
	}
	require.Empty(t, server.Writes())
	server.Script(entratest.Fault{Times: -1, Status: 403})
	_, err = g.CheckPlan(t.Context(), p)
	require.ErrorIs(t, err, ldapsync.ErrPermission)

	// The first error ends it: with many users, not all are asked for.
	for i := range p.Items {
		if p.Items[i].Action == ldapsync.ActionUpdate {
			p.Items = slices.Repeat(p.Items[i:i+1], 5000)
			break
		}
	}
	server.ResetRequests()
	_, err = g.CheckPlan(t.Context(), p)
	require.ErrorIs(t, err, ldapsync.ErrPermission)
	require.Less(t, len(server.Requests()), 100)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = g.CheckPlan(ctx, p)
	require.ErrorIs(t, err, context.Canceled)
}

// TestTimeout: a server that never answers is a read that is repeated, and a write of unknown outcome.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		a := sdk(t, &http.Client{Transport: hang})
		c := &entra.Client{Adapter: a, Retry: entra.Retry{Attempts: 2}}
		begin := time.Now()
		_, err := c.Get(t.Context(), "/users", nil)
		require.ErrorIs(t, err, ldapsync.ErrTransient)
		require.Equal(t, 2*100*time.Second+500*time.Millisecond, time.Since(begin))
		c.Timeout = time.Minute
		begin = time.Now()
		_, err = c.Do(t.Context(), entra.Request{Method: "PATCH", Path: "/users/x", Body: []byte(`{}`)})
		require.ErrorIs(t, err, ldapsync.ErrUnclear)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}
