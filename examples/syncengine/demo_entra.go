package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entraauth"
	"go.internal/hybridkit/ldapsync/entra/entratest"
	"go.internal/hybridkit/ldapsync/memstate"
)

// demoToken is the credential of the demonstration's tenant, which is in this process.
type demoToken struct{}

func (demoToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "demo", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// cloudAccounts gives everybody in the source's OU an account in a tenant, as another product would have done.
func cloudAccounts(src *adtest.Server, tenant *entratest.Server) error {
	all, err := src.Entries(demoUsers)
	if err != nil {
		return err
	}
	for _, e := range all {
		if upn := e.First("userPrincipalName"); upn != "" {
			tenant.AddUser(entratest.Object{"userPrincipalName": upn, "displayName": e.First("displayName"), "onPremisesImmutableId": ldapsync.GUID(e.GUID).ImmutableID()})
		}
	}
	return nil
}

// cloud goes through the same cycle with Entra ID as the second target of the organisation.
func (d *demonstration) cloud() error {
	tenant := entratest.New(entratest.Config{Now: d.sync.Now, Seed: 1, ShuffleBatch: true})
	if err := cloudAccounts(d.src, tenant); err != nil {
		return err
	}
	adapter, err := entraauth.WithCredential(entraauth.Config{GraphHost: "graph.ashdown.example", Transport: tenant.Transport()}, demoToken{})
	if err != nil {
		return err
	}
	target, err := entra.New(entra.Config{
		Client: &entra.Client{Adapter: adapter},
		Budget: &entra.Budget{Limits: []entra.Limit{{Writes: 2000, Per: time.Second}}}, // a real tenant takes 20 a second
	})
	if err != nil {
		return err
	}
	first := *d.sync
	defer func() { d.sync = &first }()
	mapping := ldapsync.Mapping{ldapsync.Copy("department", "department"), ldapsync.Copy("title", "jobTitle"), ldapsync.Copy("sAMAccountName", "extensionAttribute1")}
	d.sync = &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{Name: "ashdown-vale.entra", Domain: first.Organisation.Domain, Tracks: []ldapsync.Track{entra.UsersTrack(demoUsers, mapping)}},
		Source:       first.Source, Target: target, State: memstate.New(), Now: first.Now, Workers: 40,
	}
	throttle := func() error {
		tenant.Script(entratest.Fault{Method: "PATCH", Where: entratest.ItemsOnly, Times: 12, Status: 429, RetryAfter: "0.249"})
		return nil
	}
	for _, s := range []struct {
		title, text string
		change      func() error
		limit       int
	}{
		{"Entra ID as the second target", "The same people, now in Microsoft Graph: joined by immutableId, twenty writes in a request. Twelve are refused with 429\n   and sent again after the 0.249 s that was asked for.", throttle, 1},
		{"The same again, in Entra ID", "Nothing changed, so nothing is written.", nil, 1},
		{"A leaver, in Entra ID", "What the engine wrote becomes null, explicitly. The account and its other values stay.", d.cloudLeaver, 1},
	} {
		tenant.ResetRequests()
		if err := d.scene(s.title, s.text, s.change, s.limit); err != nil {
			return fmt.Errorf("scene %d: %w", d.scenes, err)
		}
		items, refused := 0, 0
		for _, r := range tenant.Requests() {
			if r.Batch > 0 && r.Method == "PATCH" {
				items++
				if r.Status == 429 {
					refused++
				}
			}
		}
		if refused > 0 {
			d.say("   Graph saw %d writes, of which %d were refused and came again\n", items, refused)
		}
		if w := tenant.Writes(); len(w) == 1 {
			d.say("   sent: %s\n", w[0].Body)
		}
	}
	return d.readOnly(target)
}

func (d *demonstration) cloudLeaver() error {
	users, err := d.inOU(demoUsers)
	if err != nil {
		return err
	}
	return d.move(users[10].DN, "OU=TANSync,DC=ashdown,DC=example")
}

// readOnly shows what becomes of a mapping that cannot work.
func (d *demonstration) readOnly(target *entra.Target) error {
	d.scenes++
	d.say("\n%d. A mapping that cannot work\n   onPremisesSamAccountName is read-only in Graph. That is said before anything is read.\n\n", d.scenes)
	err := target.CheckTrack(entra.UsersTrack(demoUsers, ldapsync.Mapping{ldapsync.Copy("sAMAccountName", "onPremisesSamAccountName")}))
	var e *entra.ReadOnlyError
	if !errors.As(err, &e) {
		return fmt.Errorf("the mapping was accepted: %v", err)
	}
	d.say("   %v\n", err)
	if d.json {
		return d.printJSON(scene{Number: d.scenes, Title: "A mapping that cannot work", Trips: []string{e.Error()}})
	}
	return nil
}
