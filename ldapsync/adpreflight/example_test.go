package adpreflight_test

import (
	"context"
	"fmt"
	"net"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// A domain in the test process stands in for the organisation's. Nobody has made the trust yet.
func Example() {
	dc, err := adtest.Start(adtest.Config{Socketless: true})
	if err != nil {
		panic(err)
	}
	defer dc.Close()
	_, _ = dc.Add("OU=Sync,DC=ashdown,DC=example", adtest.Attrs{"objectClass": {"organizationalUnit"}})

	dir, err := ldapdir.Open(ldapdir.Config{
		Dial: func(ctx context.Context) (net.Conn, error) { return dc.DialTLS(ctx) },
		Bind: ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-reader")},
	})
	if err != nil {
		panic(err)
	}
	defer dir.Close()
	report, err := adpreflight.Run(context.Background(), adpreflight.Config{
		Directory: dir,
		Service:   adpreflight.Service{TrustPartner: "prov.example"},
		Scopes:    []adpreflight.Scope{{ID: "users", Class: ldapsync.User, OU: "OU=Sync,DC=ashdown,DC=example"}},
	})
	if err != nil {
		panic(err)
	}
	next, _ := report.Next()
	fmt.Println(next.ID, next.State)
	fmt.Println(next.Evidence)
	fmt.Println("see", next.Source)
	// Output:
	// trust.exists fail
	// there is no trust with prov.example; trusts: none
	// see operations guide 7.6; [MS-ADTS] 6.1.6.7
}
