package ldapdir_test

import (
	"context"
	"fmt"
	"log"
	"os/exec"
	"strings"
	"testing"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// directory starts an Active Directory in this process with one user in it.
func directory() (*adtest.Server, *ldapdir.Dir, error) {
	dc, err := adtest.Start(adtest.Config{Socketless: true, LDIF: strings.NewReader(`dn: OU=People,DC=ashdown,DC=example
objectClass: organizationalUnit

dn: CN=Ann Oakley,OU=People,DC=ashdown,DC=example
objectClass: user
sAMAccountName: aoakley
title: Nurse
`)})
	if err != nil {
		return nil, nil, err
	}
	dir, err := ldapdir.Open(ldapdir.Config{
		Dial: dc.Dial, // a real directory has URL: "ldaps://dc1.ashdown.example" instead
		TLS:  ldapdir.TLS{CAs: dc.CertPool(), ServerName: dc.DNSHostName()},
		Bind: ldapdir.Simple{User: "writer@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-writer")},
	})
	return dc, dir, err
}

func Example() {
	dc, dir, err := directory()
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _, _ = dir.Close(), dc.Close() }()
	ctx := context.Background()

	people, err := dir.Container(ctx, ldapsync.ContainerRef{DN: "OU=People,DC=ashdown,DC=example"})
	if err != nil {
		log.Fatal(err)
	}
	query := ldapsync.Query{Class: ldapsync.User, Container: people, Attrs: []string{"title", "department"}}
	for user, err := range dir.Read(ctx, query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.DN, user.All("title"), user.Presence("department"))
		_, err = dir.Write(ctx, ldapsync.Change{Op: ldapsync.OpUpdate, ID: user.ID, Edits: []ldapsync.Edit{
			{Attr: "title", Before: []string{"Nurse"}, After: []string{"Matron"}},
		}})
		fmt.Println(err)
	}
	// Output:
	// CN=Ann Oakley,OU=People,DC=ashdown,DC=example [Nurse] absent
	// <nil>
}

func ExampleDir_Access() {
	dc, dir, err := directory()
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _, _ = dir.Close(), dc.Close() }()
	const ann = "CN=Ann Oakley,OU=People,DC=ashdown,DC=example"
	if _, err := dc.Deny(adtest.Denial{DN: ann, Right: adtest.ReadProperty, Attribute: "mail"}); err != nil {
		log.Fatal(err)
	}
	object, err := dc.Get(ann)
	if err != nil {
		log.Fatal(err)
	}
	access, err := dir.Access(context.Background(), ldapsync.GUID(object.GUID), []string{"department", "mail"})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range access {
		fmt.Println(a.Attr, a.Presence, a.Verdict.Access)
	}
	// Output:
	// department absent granted
	// mail unreadable denied
}

func ExampleSecret() {
	password := ldapdir.NewSecret("do not show this")
	fmt.Printf("%v %+v %q\n", password, password, password)
	// Output: REDACTED REDACTED REDACTED
}

func TestImports(t *testing.T) {
	banned := map[string]string{
		"github.com/jcmturner/":      "Kerberos belongs in ldapdir/gssapi: only its users shall carry it",
		"github.com/microsoftgraph/": "belongs in ldapsync/entra",
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for prefix, why := range banned {
			if strings.HasPrefix(dep, prefix) {
				t.Errorf("imports %s: %s", dep, why)
			}
		}
	}
}
