package adtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync/adtest"
)

const staff = `dn: OU=Staff,DC=ashdown,DC=example
objectClass: organizationalUnit

dn: CN=Ada Vale,OU=Staff,DC=ashdown,DC=example
objectClass: user
sAMAccountName: ada.vale
title: Ward Sister
`

// In a test, New takes the place of Start and closes the server itself.
func Example() {
	dc, err := adtest.Start(adtest.Config{LDIF: strings.NewReader(staff)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dc.Close()

	conn, err := ldap.DialURL(dc.TLSURL(), ldap.DialWithTLSConfig(dc.TLSConfig()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	if err := conn.Bind("reader@ashdown.example", "Passw0rd-reader"); err != nil {
		fmt.Println(err)
		return
	}
	res, err := conn.Search(ldap.NewSearchRequest("OU=Staff,"+dc.BaseDN(), ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
		"(objectCategory=person)", []string{"title"}, nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range res.Entries {
		fmt.Println(e.DN, "is", e.GetAttributeValue("title"))
	}
	// Output: CN=Ada Vale,OU=Staff,DC=ashdown,DC=example is Ward Sister
}

// What a sync must not mistake for "everybody left": the listing is denied, and the search succeeds.
func ExampleServer_Deny() {
	dc, err := adtest.Start(adtest.Config{LDIF: strings.NewReader(staff), AllowPlainBind: true, Socketless: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dc.Close()
	lift, err := dc.Deny(adtest.Denial{Account: "reader", DN: "OU=Staff," + dc.BaseDN(), Right: adtest.ListContents})
	if err != nil {
		fmt.Println(err)
		return
	}
	raw, err := dc.Dial(context.Background()) // without a socket
	if err != nil {
		fmt.Println(err)
		return
	}
	conn := ldap.NewConn(raw, false)
	conn.Start()
	defer conn.Close()
	count := func() {
		res, err := conn.Search(ldap.NewSearchRequest("OU=Staff,"+dc.BaseDN(), ldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=user)", nil, nil))
		fmt.Println(len(res.Entries), err)
	}
	fmt.Println(conn.Bind(`ASHDOWN\reader`, "Passw0rd-reader"))
	count()
	lift()
	count()
	// Output:
	// <nil>
	// 0 <nil>
	// 1 <nil>
}

// The second page of every search is answered busy after one entry.
func ExampleServer_SetHook() {
	dc, err := adtest.Start(adtest.Config{AllowPlainBind: true, Socketless: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dc.Close()
	dc.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		if r.Op == adtest.OpSearch && r.Page == 1 {
			return adtest.Fault{Code: adtest.ResultBusy, Entries: 1}
		}
		return adtest.Fault{}
	})
	raw, err := dc.Dial(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	conn := ldap.NewConn(raw, false)
	conn.Start()
	defer conn.Close()
	fmt.Println(conn.Bind(`ASHDOWN\reader`, "Passw0rd-reader"))
	_, err = conn.SearchWithPaging(ldap.NewSearchRequest(dc.BaseDN(), ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=group)", nil, nil), 2)
	fmt.Println(ldap.IsErrorWithCode(err, ldap.LDAPResultBusy))
	// Output:
	// <nil>
	// true
}

// Somebody renames the OU: its children move with it and keep their USNs.
func ExampleServer_Move() {
	dc, err := adtest.Start(adtest.Config{LDIF: strings.NewReader(staff), Socketless: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dc.Close()
	ou, err := dc.Get("OU=Staff," + dc.BaseDN())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := dc.Move(ou.DN, "OU=People,"+dc.BaseDN()); err != nil {
		fmt.Println(err)
		return
	}
	var refused *adtest.Error
	_, err = dc.Get(ou.DN)
	fmt.Println(errors.As(err, &refused) && refused.Code == adtest.ResultNoSuchObject)
	list, err := dc.Entries("<GUID=" + ou.GUID.String() + ">")
	fmt.Println(err)
	for _, e := range list {
		fmt.Println(e.DN)
	}
	// Output:
	// true
	// <nil>
	// OU=People,DC=ashdown,DC=example
	// CN=Ada Vale,OU=People,DC=ashdown,DC=example
}
