package adtest_test

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

// TestAgainstSamba does the same to a Samba domain controller and to this package and compares what
// comes back. Where they differ the step says so and why: this package follows Windows.
//
// HYBRIDKIT_SAMBA names the server (ldaps://127.0.0.71); it must hold the domain vale.example with the
// password Passw0rd-Vale1 of Administrator.
func TestAgainstSamba(t *testing.T) {
	url := os.Getenv("HYBRIDKIT_SAMBA")
	if url == "" {
		t.Skip("HYBRIDKIT_SAMBA is not set: no Samba domain controller to compare with")
	}
	s := adtest.New(t, adtest.Config{Domain: "vale.example", Accounts: []adtest.Account{{Name: "Administrator", Password: "Passw0rd-Vale1", Admin: true}, {Name: "plain", Password: "Passw0rd-Plain1"}}})
	samba, err := ldap.DialURL(url, ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true})) // a throw-away server on loopback
	require.NoError(t, err)
	defer samba.Close()
	fake, err := ldap.DialURL(s.TLSURL(), ldap.DialWithTLSConfig(s.TLSConfig()))
	require.NoError(t, err)
	defer fake.Close()
	same := 0
	for _, step := range sambaSteps() {
		want, got := step.do(samba), step.do(fake)
		if step.windows != "" {
			require.NotEqual(t, want, got, "%s: Samba does the same by now; drop the note %q", step.name, step.windows)
			t.Logf("differs: %s: Samba %q, here %q: %s", step.name, want, got, step.windows)
			continue
		}
		if want != got {
			t.Errorf("%s: Samba %q, here %q", step.name, want, got)
			continue
		}
		same++
	}
	t.Logf("%d steps alike", same)
	require.Greater(t, same, 40)
}

type sambaStep struct {
	name    string
	windows string // why the two differ
	do      func(*ldap.Conn) string
}

// outcome is a result code, or what was found.
func outcome(err error, found ...string) string {
	var le *ldap.Error
	switch {
	case errors.As(err, &le):
		return fmt.Sprintf("code %d", le.ResultCode)
	case err != nil:
		return err.Error()
	}
	return "ok " + strings.Join(found, " | ")
}

var tombstoneGUID = regexp.MustCompile(`DEL:[0-9a-f-]{36}`)

// plainDN rewrites a DN so that two ways to escape it look alike, and leaves out the objectGUID in
// the name of a tombstone.
func plainDN(s string) string {
	if dn, err := ldap.ParseDN(s); err == nil && strings.HasSuffix(s, sbase) {
		s = dn.String()
	}
	return tombstoneGUID.ReplaceAllString(s, "DEL:")
}

const (
	sbase = "DC=vale,DC=example"
	sou   = "OU=Compare," + sbase
)

func sambaSteps() (steps []sambaStep) {
	step := func(name, windows string, do func(*ldap.Conn) string) {
		steps = append(steps, sambaStep{name, windows, do})
	}
	add := func(name, dn string, kv ...string) {
		step(name, "", func(c *ldap.Conn) string {
			r := ldap.NewAddRequest(dn, nil)
			for i := 0; i < len(kv); i += 2 {
				r.Attribute(kv[i], strings.Split(kv[i+1], "|"))
			}
			return outcome(c.Add(r))
		})
	}
	mod := func(name, windows, dn string, changes ...[]string) {
		step(name, windows, func(c *ldap.Conn) string { return outcome(modify(c, dn, nil, changes...)) })
	}
	search := func(name, windows, dn string, scope int, filter string, attrs []string, controls ...ldap.Control) {
		step(name, windows, func(c *ldap.Conn) string {
			res, err := c.Search(ldap.NewSearchRequest(dn, scope, 0, 0, 0, false, filter, attrs, controls))
			var found []string
			if res != nil {
				for _, e := range res.Entries {
					line := plainDN(e.DN)
					slices.SortFunc(e.Attributes, func(a, b *ldap.EntryAttribute) int { return cmp.Compare(a.Name, b.Name) })
					for _, a := range e.Attributes {
						var values []string
						for _, v := range a.Values {
							values = append(values, plainDN(v))
						}
						if a.Name != "objectClass" {
							slices.Sort(values)
						}
						line += fmt.Sprintf(" %s=%q", a.Name, values)
					}
					found = append(found, line)
				}
			}
			slices.Sort(found)
			return outcome(err, found...)
		})
	}
	move := func(name, dn, rdn string, del bool, sup string) {
		step(name, "", func(c *ldap.Conn) string {
			return outcome(c.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, del, sup)))
		})
	}
	none := []string{"1.1"}
	ada, bob := "CN=Ada Vale,"+sou, "CN=Bob Vale,"+sou

	search("search without a bind", "", sbase, 0, "(objectClass=*)", none)
	step("wrong password", "", func(c *ldap.Conn) string { return outcome(c.Bind("Administrator@vale.example", "wrong")) })
	step("unknown user", "", func(c *ldap.Conn) string { return outcome(c.Bind("nobody@vale.example", "wrong")) })
	step("bare user name", "", func(c *ldap.Conn) string { return outcome(c.Bind("Administrator", "Passw0rd-Vale1")) })
	step("bind by UPN", "", func(c *ldap.Conn) string { return outcome(c.Bind("Administrator@vale.example", "Passw0rd-Vale1")) })
	step("bind by DN", "", func(c *ldap.Conn) string {
		return outcome(c.Bind("CN=Administrator,CN=Users,"+sbase, "Passw0rd-Vale1"))
	})
	step("bind by NetBIOS name", "", func(c *ldap.Conn) string { return outcome(c.Bind(`VALE\Administrator`, "Passw0rd-Vale1")) })

	add("add OU", sou, "objectClass", "organizationalUnit")
	add("add child OU", "OU=Child,"+sou, "objectClass", "organizationalUnit")
	add("add user", ada, "objectClass", "user", "sAMAccountName", "ada.vale", "displayName", "Ada Vale", "title", "Sister", "employeeID", "17")
	add("add user with awkward name", `CN=O'Neil\, Sam \#1 \+x\=y,`+sou, "objectClass", "user", "sAMAccountName", "sam")
	add("add second user", bob, "objectClass", "user", "sAMAccountName", "bob.vale", "manager", ada)
	add("add user below the child", "CN=Kid,OU=Child,"+sou, "objectClass", "user", "sAMAccountName", "kid")
	add("add computer", "CN=PC1,"+sou, "objectClass", "computer", "sAMAccountName", "PC1$")
	add("add group", "CN=Staff,"+sou, "objectClass", "group", "sAMAccountName", "Staff", "member", ada)
	add("add outer group", "CN=Outer,"+sou, "objectClass", "group", "sAMAccountName", "Outer", "member", "CN=Staff,"+sou)
	add("name taken", "cn=ADA vale,"+sou, "objectClass", "user")
	add("account name taken", "CN=Other,"+sou, "objectClass", "user", "sAMAccountName", "ADA.vale")
	add("no parent", "CN=x,OU=None,"+sou, "objectClass", "user")
	add("no objectClass", "CN=x,"+sou, "displayName", "x")
	add("wrong naming attribute", "OU=x,"+sou, "objectClass", "user")
	add("multi-valued name", "CN=a+SN=b,"+sou, "objectClass", "user")
	add("name of no attribute", "C_N=x,"+sou, "objectClass", "user")
	add("empty value", "CN=x,"+sou, "objectClass", "user", "title", "")

	full := []string{"objectClass", "cn", "name", "distinguishedName", "objectCategory", "instanceType", "displayName", "title", "employeeID", "sAMAccountName", "sAMAccountType", "userAccountControl", "primaryGroupID", "accountExpires", "memberOf", "directReports", "manager", "TITLE"}
	for _, dn := range []string{ada, bob, "CN=PC1," + sou, `CN=O'Neil\, Sam \#1 \+x\=y,` + sou} {
		search("read "+dn, "", dn, 0, "(objectClass=*)", full)
	}
	search("read group", "", "CN=Staff,"+sou, 0, "(objectClass=*)", []string{"groupType", "sAMAccountType", "member", "memberOf", "cn"})
	search("types only and unknown", "", ada, 0, "(objectClass=*)", []string{"title", "nosuchattribute"})
	for _, f := range []string{
		"(objectClass=*)", "(&(objectCategory=person)(objectClass=user))", "(objectCategory=computer)", "(objectClass=COMPUTER)", "(!(title=*))", "(title=sister)", "(title=SIS*)", "(cn=*a*v*e)", "(cn=*0)",
		"(userAccountControl:1.2.840.113556.1.4.803:=2)", "(userAccountControl:1.2.840.113556.1.4.804:=4098)", "(!(userAccountControl:1.2.840.113556.1.4.803:=4096))",
		"(memberOf=CN=Staff," + sou + ")", "(memberOf:1.2.840.113556.1.4.1941:=CN=Outer," + sou + ")", "(member:1.2.840.113556.1.4.1941:=" + ada + ")", "(manager=" + ada + ")", "(&)", "(|(cn=ada vale)(cn=bob vale))",
		"(sAMAccountName>=b)", "(employeeID<=2)", "(anr=ada)", "(uSNChanged>=99999999)", "(distinguishedName=" + ada + ")", "(displayName~=ada vale)", "(accountExpires>=9000000000000000000)",
	} {
		windows := ""
		if strings.Contains(f, "~=") {
			windows = "Samba has no approximate match; Active Directory treats it as equality"
		}
		search("filter "+f, windows, sou, 2, f, none)
	}
	search("negation of an unknown attribute", "Samba treats an attribute that the schema lacks as absent; the standard and Windows as undefined", sou, 2, "(!(nosuchattribute=x))", none)
	search("one level", "", sou, 1, "(objectClass=user)", none)
	search("missing base", "", "OU=None,"+sou, 1, "(objectClass=user)", none)
	search("bad base", "", "nonsense", 1, "(objectClass=user)", none)
	search("well-known container", "", "<WKGUID=a9d1ca15768811d1aded00c04fd8d5cd,"+sbase+">", 0, "(objectClass=*)", none)
	search("unknown critical control", "Samba ignores it (RFC 4511 section 4.1.11 says refuse)", sou, 0, "(objectClass=*)", none, ldap.NewControlString("1.2.3.4.5", true, ""))

	mod("replace", "", ada, []string{"replace", "title", "Matron"})
	mod("replace with nothing", "", ada, []string{"replace", "department"})
	mod("add to single-valued", "", ada, []string{"add", "title", "x"})
	mod("two for single-valued", "Windows reports a constraint (00002081) for two values at once, and an existing value (00002083) for adding a second one", ada, []string{"replace", "title", "a", "b"})
	mod("delete absent attribute", "", ada, []string{"delete", "department"})
	mod("delete absent value", "", ada, []string{"delete", "title", "x"})
	mod("swap", "", ada, []string{"delete", "title", "Matron"}, []string{"add", "title", "Nurse"})
	mod("stale swap", "", ada, []string{"delete", "title", "Matron"}, []string{"add", "title", "x"})
	mod("empty string", "", ada, []string{"replace", "title", ""})
	mod("too long", "Windows reports a range constraint (00002082)", ada, []string{"replace", "employeeID", strings.Repeat("x", 17)})
	mod("no number", "", ada, []string{"replace", "countryCode", "abc"})
	mod("name", "", ada, []string{"replace", "cn", "Other"})
	mod("existing member", "", "CN=Staff,"+sou, []string{"add", "member", ada})
	mod("missing member", "", "CN=Staff,"+sou, []string{"delete", "member", bob})
	mod("member that does not exist", "", "CN=Staff,"+sou, []string{"add", "member", "CN=None," + sou})
	mod("back link", "", ada, []string{"add", "memberOf", "CN=Staff," + sou})
	mod("server-maintained", "", ada, []string{"replace", "uSNChanged", "1"})
	mod("objectGUID", "", ada, []string{"replace", "objectGUID", strings.Repeat("x", 16)})
	mod("account name of another", "", ada, []string{"replace", "sAMAccountName", "bob.vale"})
	mod("unknown attribute", "", ada, []string{"replace", "title", "x"}, []string{"delete", "nosuchattribute"})
	mod("missing object", "", "CN=None,"+sou, []string{"replace", "title", "x"})
	search("what is left", "", ada, 0, "(objectClass=*)", []string{"title", "department", "employeeID"})

	dirSyncSteps(step, ada, bob)
	move("rename", ada, "CN=Ada Hart", true, "")
	move("case-only rename", "CN=Ada Hart,"+sou, "CN=ADA Hart", true, "")
	move("move", "CN=ADA Hart,"+sou, "CN=ADA Hart", true, "OU=Child,"+sou)
	move("name taken", "CN=ADA Hart,OU=Child,"+sou, "CN=Kid", true, "")
	move("no new parent", bob, "CN=Bob Vale", true, "OU=None,"+sou)
	move("below itself", sou, "OU=Compare", true, "OU=Child,"+sou)
	move("other naming attribute", bob, "OU=Bob", true, "")
	move("missing object", "CN=None,"+sou, "CN=x", true, "")
	search("links follow", "", "CN=Staff,"+sou, 0, "(objectClass=*)", []string{"member"})
	search("after the moves", "", sou, 2, "(objectClass=user)", []string{"cn", "name", "sAMAccountName", "manager"})

	step("delete with children", "", func(c *ldap.Conn) string { return outcome(c.Del(ldap.NewDelRequest(sou, nil))) })
	step("delete", "", func(c *ldap.Conn) string {
		return outcome(c.Del(ldap.NewDelRequest("CN=ADA Hart,OU=Child,"+sou, nil)))
	})
	step("delete again", "", func(c *ldap.Conn) string {
		return outcome(c.Del(ldap.NewDelRequest("CN=ADA Hart,OU=Child,"+sou, nil)))
	})
	search("deleted objects", "", "<WKGUID="+"18e2ea80684f11d2b9aa00c04f79f805,"+sbase+">", 1, "(sAMAccountName=ada.vale)",
		[]string{"isDeleted", "isRecycled", "lastKnownParent", "sAMAccountName", "title", "objectCategory", "objectClass"}, ldap.NewControlMicrosoftShowDeleted())
	step("tree delete", "", func(c *ldap.Conn) string {
		return outcome(c.Del(ldap.NewDelRequest(sou, []ldap.Control{ldap.NewControlSubtreeDelete()})))
	})
	search("gone", "", sou, 0, "(objectClass=*)", none)
	return steps
}

// dirSyncSteps compares what DirSync reports of a clear, a change that was not asked for, a move and a
// delete. The first cycle is read and thrown away.
func dirSyncSteps(step func(string, string, func(*ldap.Conn) string), ada, bob string) {
	cookies := map[*ldap.Conn][]byte{}
	request := func(c *ldap.Conn, base string, scope int, cookie []byte) (*ldap.SearchResult, error) {
		return c.Search(ldap.NewSearchRequest(base, scope, 0, 0, 0, false, "(objectClass=*)", []string{"title", "displayName", "name"}, []ldap.Control{ldap.NewRequestControlDirSync(0, 1<<20, cookie)}))
	}
	read := func(c *ldap.Conn) string {
		var found []string
		for more := int64(1); more != 0; {
			res, err := request(c, sbase, 2, cookies[c])
			if err != nil {
				return outcome(err)
			}
			answer := ldap.FindControl(res.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
			cookies[c], more = answer.Cookie, answer.Flags
			for _, e := range res.Entries {
				line := plainDN(e.DN)
				slices.SortFunc(e.Attributes, func(a, b *ldap.EntryAttribute) int { return cmp.Compare(a.Name, b.Name) })
				for _, a := range e.Attributes {
					line += " " + a.Name
					switch {
					case len(a.Values) == 0:
						line += "=null"
					case a.Name != "objectGUID" && a.Name != "parentGUID":
						line += fmt.Sprintf("=%q", plainDN(a.Values[0]))
					}
				}
				found = append(found, line)
			}
		}
		slices.Sort(found)
		return outcome(nil, found...)
	}
	after := func(name, windows string, do func(*ldap.Conn) error) {
		step("DirSync after "+name, windows, func(c *ldap.Conn) string {
			if err := do(c); err != nil {
				return outcome(err)
			}
			return read(c)
		})
	}
	step("DirSync on an OU", "", func(c *ldap.Conn) string { _, err := request(c, sou, 2, nil); return outcome(err) })
	step("DirSync with a bad cookie", "", func(c *ldap.Conn) string {
		_, err := request(c, sbase, 2, []byte("garbage"))
		return outcome(err)
	})
	step("DirSync, first cycle", "", func(c *ldap.Conn) string {
		if out := read(c); strings.HasPrefix(out, "code") {
			return out
		}
		return "ok"
	})
	after("nothing", "", func(*ldap.Conn) error { return nil })
	after("a change", "", func(c *ldap.Conn) error { return modify(c, ada, nil, []string{"replace", "title", "Changed"}) })
	after("a clear", "", func(c *ldap.Conn) error { return modify(c, ada, nil, []string{"replace", "title"}) })
	after("setting and clearing", "", func(c *ldap.Conn) error {
		if err := modify(c, bob, nil, []string{"replace", "displayName", "x"}); err != nil {
			return err
		}
		return modify(c, bob, nil, []string{"replace", "displayName"})
	})
	after("a change of something else", "", func(c *ldap.Conn) error { return modify(c, ada, nil, []string{"replace", "mail", "x@vale.example"}) })
	after("a rename", "", func(c *ldap.Conn) error {
		return c.ModifyDN(ldap.NewModifyDNRequest(bob, "CN=Bobby", true, "OU=Child,"+sou))
	})
	after("the way back", "", func(c *ldap.Conn) error {
		return c.ModifyDN(ldap.NewModifyDNRequest("CN=Bobby,OU=Child,"+sou, "CN=Bob Vale", true, sou))
	})
	after("an add", "", func(c *ldap.Conn) error {
		r := ldap.NewAddRequest("CN=Brief,"+sou, nil)
		r.Attribute("objectClass", []string{"user"})
		r.Attribute("title", []string{"Guest"})
		return c.Add(r)
	})
	after("a delete", "", func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest("CN=Brief,"+sou, nil)) })
}
