package changes_test

import (
	"context"
	"fmt"
	"log"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/changes"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// A source reads everybody once, and after that only who changed.
func Example() {
	dc, err := adtest.Start(adtest.Config{Socketless: true})
	if err != nil {
		log.Fatal(err)
	}
	defer dc.Close()
	for _, name := range []string{"Ann Oakley", "Bob Fenn", "Cy Marsh"} {
		if _, err := dc.Add("CN="+name+",CN=Users,"+dc.BaseDN(), adtest.Attrs{"objectClass": {"user"}, "title": {"Nurse"}}); err != nil {
			log.Fatal(err)
		}
	}
	dir, err := ldapdir.Open(ldapdir.Config{
		Dial: dc.Dial, TLS: ldapdir.TLS{CAs: dc.CertPool(), ServerName: dc.DNSHostName()},
		Bind: ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-reader")},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()

	ctx := context.Background()
	source := &changes.Source{Directory: dir, State: memstate.New(), Organisation: "ashdown",
		OnRead: func(r changes.Reading) {
			fmt.Printf("%s: full %t, %d objects, %d fetched\n", r.Method, r.Full, r.Objects, r.Fetched)
		}}
	users, err := dir.Container(ctx, ldapsync.ContainerRef{DN: "CN=Users," + dc.BaseDN()})
	if err != nil {
		log.Fatal(err)
	}
	query := ldapsync.Query{Class: ldapsync.User, Container: users, Filter: "(title=*)", Attrs: []string{"title"}}
	for cycle := range 3 {
		for o, err := range source.Read(ctx, query) {
			if err != nil {
				log.Fatal(err)
			}
			if title, _ := o.Get("title"); title != "Nurse" {
				_, name := o.DN.RDN()
				fmt.Println(name, "is", title)
			}
		}
		if cycle == 0 {
			if err := dc.Set("CN=Bob Fenn,"+users.DN.String(), "title", "Matron"); err != nil {
				log.Fatal(err)
			}
		}
	}
	// Output:
	// dirsync-object-security: full true, 3 objects, 3 fetched
	// Bob Fenn is Matron
	// dirsync-object-security: full false, 3 objects, 1 fetched
	// Bob Fenn is Matron
	// dirsync-object-security: full false, 3 objects, 0 fetched
}
