package ldapsync_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// A cycle between two directories in memory: plan, look, apply.
func Example() {
	ctx := context.Background()
	source, target := memdir.New(memdir.Config{Seed: 1}), memdir.New(memdir.Config{Seed: 2})
	source.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example"), ldapsync.User,
		ldapsync.Values("mail", "ann@ashdown.example"), ldapsync.Values("title", "Nurse")))
	target.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=a.oakley,OU=People,DC=prov,DC=example"), ldapsync.User,
		ldapsync.Values("mail", "ANN@ashdown.example")))

	track := ldapsync.UsersTrack("OU=Staff,DC=ashdown,DC=example", "OU=People,DC=prov,DC=example", ldapsync.Mapping{ldapsync.Copy("title", "title")})
	s := &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{track}},
		Source:       source, Target: target, State: memstate.New(),
	}
	plan, err := s.Plan(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range plan.Items[0].Edits {
		if e.Attr == "title" {
			fmt.Printf("%s: %s -> %s (%s)\n", e.Attr, e.Before, e.After, e.Reason)
		}
	}
	report, err := s.Apply(ctx, plan, ldapsync.ApplyOptions{})
	fmt.Println(report.Done, err)
	plan, err = s.Plan(ctx)
	fmt.Println("nothing left:", plan.Empty(), err)
	// Output:
	// title: absent -> "Nurse" (not set yet)
	// map[update:1] <nil>
	// nothing left: true <nil>
}

// A mapping is data with functions, and can be tested without any directory.
func ExampleMapping_Apply() {
	m := ldapsync.Mapping{
		ldapsync.Lower(ldapsync.Copy("mail", "mail")),
		ldapsync.FirstOf("telephoneNumber", "mobile", "telephoneNumber"),
		{To: "displayName", From: []string{"sn", "givenName"}, Value: func(in ldapsync.Inputs) (ldapsync.Result, error) {
			sn, ok := in.Get("sn")
			if !ok {
				return ldapsync.Clear("sn is absent"), nil
			}
			given, _ := in.Get("givenName")
			return ldapsync.Set(strings.ToUpper(sn) + ", " + given), nil
		}},
	}
	ann := ldapsync.NewObject(ldapsync.GUID{1}, ldapsync.MustParseDN("CN=Ann,DC=ashdown,DC=example"), ldapsync.User,
		ldapsync.Values("sn", "Oakley"), ldapsync.Values("givenName", "Ann"), ldapsync.Values("mail", "Ann.Oakley@Ashdown.example")).
		WithUnreadable("mobile")
	outcomes, err := m.Apply(ann, ldapsync.Env{})
	for _, o := range outcomes {
		fmt.Printf("%s: %s %q (%s)\n", o.To, o.Result.Kind, o.Result.Values, o.Result.Reason)
	}
	fmt.Println(err)
	// Output:
	// displayName: set ["OAKLEY, Ann"] ()
	// mail: set ["ann.oakley@ashdown.example"] ()
	// telephoneNumber: unknown [] (mobile cannot be read)
	// <nil>
}

// The certificate rule says why a device is not joined yet.
func ExampleHybridJoinCertificates() {
	id, err := ldapsync.ParseGUID("c91f22f2-5f41-4b5f-951d-e723729f7e30")
	if err != nil {
		fmt.Println(err)
		return
	}
	state, _, evidence := ldapsync.HybridJoinCertificates(id, nil, time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))
	fmt.Println(state)
	fmt.Println(evidence)
	// Output:
	// no certificate
	// userCertificate is absent: the Automatic-Device-Join task has not written it yet
}

// A plan prints for people, and Redact keeps personal values out of tickets.
func ExamplePlan_WriteText() {
	p := &ldapsync.Plan{ID: "0123456789abcdef", Organisation: "ashdown", Items: []ldapsync.Item{{
		Track: "users", Action: ldapsync.ActionUpdate, SourceDN: ldapsync.MustParseDN("CN=Ann Oakley,OU=Staff"), Reason: "joined before",
		Edits: []ldapsync.PlannedEdit{{Attr: "title", Rule: "title", Before: ldapsync.ValueList{"Nurse"}, After: ldapsync.ValueList{"Sister"}, Reason: "differs"}},
	}}}
	p.WriteText(os.Stdout, ldapsync.TextOptions{Redact: true})
	// Output:
	// plan 0123456789ab for ashdown
	//   update   CN=Ann Oakley,OU=Staff  (joined before)
	//            title: [redacted] -> [redacted]  [title; differs]
}
