package ldif_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldif"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/targettest"
)

// export is what ldifde makes: changetype in every entry, CRLF, folded lines.
const export = "dn: OU=Staff,DC=ashdown,DC=example\r\n" +
	"changetype: add\r\n" +
	"objectClass: top\r\n" +
	"objectClass: organizationalUnit\r\n" +
	"objectGUID:: 4+d3FrULTEKbfvYZgmCoqA==\r\n" +
	"\r\n" +
	"dn:: Q049Wm/DqyBPYWtsZXksT1U9U3RhZmYsREM9YXNoZG93bixEQz1leGFtcGxl\r\n" +
	"changetype: add\r\n" +
	"objectClass: top\r\n" +
	"objectClass: person\r\n" +
	"objectClass: organizationalPerson\r\n" +
	"objectClass: user\r\n" +
	"objectCategory: CN=Person,CN=Schema,CN=Configuration,DC=ashdown,DC=example\r\n" +
	"cn:: Wm/DqyBPYWtsZXk=\r\n" +
	"description: a long line that was\r\n" +
	"  folded twi\r\n" +
	" ce\r\n" +
	"department: Ward 3\r\n" +
	"userCertificate;binary:: AQIDBA==\r\n" +
	"userCertificate:: BQYHCA==\r\n" +
	"member;range=0-1: CN=x\r\n" +
	"info:\r\n" +
	"objectGUID:: k/d0AbULl06bf/YZgmCoqA==\r\n" +
	"\r\n" +
	"dn: CN=PC7,OU=Staff,DC=ashdown,DC=example\r\n" +
	"changetype: add\r\n" +
	"objectClass: computer\r\n" +
	"objectGUID:: lPd0AbULl06bf/YZgmCoqA==\r\n" +
	"\r\n"

func parse(t testing.TB, text string, cfg ldif.Config) *ldif.Source {
	s, err := ldif.Parse(strings.NewReader(text), cfg)
	require.NoError(t, err)
	return s
}

func collect(seq iter.Seq2[ldapsync.Object, error]) (out []ldapsync.Object, err error) {
	for o, e := range seq {
		if e != nil {
			return out, e
		}
		out = append(out, o)
	}
	return out, nil
}

func TestExport(t *testing.T) {
	ctx := t.Context()
	s := parse(t, export, ldif.Config{})
	require.Equal(t, 3, s.Len())
	info, err := s.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, ldapsync.DirectoryInfo{Kind: "ldif", Domain: ldapsync.Domain{FQDN: "ashdown.example"}}, info)
	ou, err := s.Container(ctx, ldapsync.ContainerRef{DN: "ou=staff,dc=ashdown,dc=example"})
	require.NoError(t, err)
	users, err := collect(s.Read(ctx, ldapsync.Query{Class: ldapsync.User, Container: ou, Attrs: []string{"cn", "description", "userCertificate", "member", "info", "objectGUID"}}))
	require.NoError(t, err)
	require.Len(t, users, 1)
	zoe := users[0]
	require.Equal(t, "0174f793-0bb5-4e97-9b7f-f6198260a8a8", zoe.ID.String())
	require.Equal(t, []string{zoe.ID.Raw()}, zoe.All("objectGUID"))
	require.Equal(t, "CN=Zoë Oakley,OU=Staff,DC=ashdown,DC=example", zoe.DN.String())
	require.Equal(t, []string{"Zoë Oakley"}, zoe.All("cn"))
	require.Equal(t, []string{"a long line that was folded twice"}, zoe.All("description"))
	require.True(t, ldapsync.SameValues([]string{"\x01\x02\x03\x04", "\x05\x06\x07\x08"}, zoe.All("usercertificate")))
	require.Equal(t, ldapsync.Unreadable, zoe.Presence("member"), "a part of the values is not the values")
	require.Equal(t, ldapsync.Absent, zoe.Presence("info"))
	devices, err := collect(s.Read(ctx, ldapsync.Query{Class: ldapsync.Device, Container: ou}))
	require.NoError(t, err)
	require.Len(t, devices, 1)

	may, err := s.VerifyAbsent(ctx, zoe.ID, []string{"info", "department", "title"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{ldapsync.Unreadable, ldapsync.Present, ldapsync.Unreadable}, may, "no entry has info or title: they may not have been exported")
	may, err = s.VerifyAbsent(ctx, devices[0].ID, []string{"Department"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{ldapsync.Absent}, may)
	s = parse(t, export, ldif.Config{Attrs: []string{"Title"}})
	may, err = s.VerifyAbsent(ctx, devices[0].ID, []string{"department", "title"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{ldapsync.Unreadable, ldapsync.Absent}, may)
	listing, err := s.VerifyListing(ctx, ou)
	require.NoError(t, err)
	require.Equal(t, ldapsync.Present, listing)
}

func TestRanges(t *testing.T) {
	for text, want := range map[string]ldapsync.Presence{
		"member: CN=x\n":                                         ldapsync.Present,
		"member;range=0-*: CN=x\n":                               ldapsync.Present,
		"member;range=0-1499: CN=x\n":                            ldapsync.Unreadable,
		"member;range=1500-*: CN=x\n":                            ldapsync.Unreadable,
		"MEMBER;RANGE=0-1499: CN=x\n":                            ldapsync.Unreadable,
		"member;binary;range=0-1499: CN=x\n":                     ldapsync.Unreadable,
		"member;range=0-1499;binary: CN=x\n":                     ldapsync.Unreadable,
		"member: CN=x\nmember;range=0-1499: CN=y\n":              ldapsync.Unreadable,
		"member;range=0-1499: CN=x\nmember;range=1500-*: CN=y\n": ldapsync.Unreadable,
		"member;x;range=0-1499: CN=x\nmember;y: CN=y\n":          ldapsync.Unreadable,
	} {
		objects, err := collect(ldif.Records(strings.NewReader("dn: CN=Staff,DC=ashdown,DC=example\n"+text), ldif.Config{}))
		require.NoError(t, err, text)
		require.Len(t, objects, 1, text)
		require.Equal(t, want, objects[0].Presence("member"), text)
	}
}

// utf16 encodes as ldifde -u does.
func encode16(text string, bigEndian bool) string {
	var b []byte
	for _, u := range utf16.Encode([]rune("\uFEFF" + text)) {
		if bigEndian {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

func TestEncodings(t *testing.T) {
	want := parse(t, export, ldif.Config{})
	raw := strings.Replace(export, "department: Ward 3", "department: Wärd 3", 1)
	for name, text := range map[string]string{
		"UTF-8": raw, "UTF-8 with mark": "\uFEFF" + raw, "LF": strings.ReplaceAll(raw, "\r\n", "\n"),
		"UTF-16LE": encode16(raw, false), "UTF-16BE": encode16(raw, true),
		"version":      "version: 1\n" + raw,
		"version line": "version: 1\n\n" + raw,
		"comments":     "# extended LDIF\n#\n  folded comment\n\n" + strings.ReplaceAll(raw, "department", "# within\r\n  folded\r\ndepartment"),
		"no last gap":  strings.TrimSuffix(raw, "\r\n"),
		"ldapsearch":   raw + "# search reference\nref: ldap://dc2.ashdown.example/CN=Configuration\n\n# search result\nsearch: 2\nresult: 0 Success\n\n# numEntries: 3\n",
		"DN:":          strings.ReplaceAll(raw, "dn: ", "DN: "),
	} {
		s := parse(t, text, ldif.Config{})
		require.Equal(t, want.Len(), s.Len(), name)
		id, err := ldapsync.ParseGUID("0174f793-0bb5-4e97-9b7f-f6198260a8a8")
		require.NoError(t, err)
		o, err := s.Locate(t.Context(), id, []string{"department", "description"})
		require.NoError(t, err)
		require.Equal(t, []string{"Wärd 3"}, o.All("department"), name)
		require.Equal(t, []string{"a long line that was folded twice"}, o.All("description"), name)
	}
}

func TestErrors(t *testing.T) {
	const head = "dn: CN=Ann,DC=x\nobjectClass: user\nobjectGUID:: k/d0AbULl06bf/YZgmCoqA==\n"
	for name, c := range map[string]struct {
		text    string
		line    int
		dn      string
		reason  string
		partial bool
	}{
		"empty":             {"", 0, "", "no entries", true},
		"blank":             {"\n\n# nothing\n", 0, "", "no entries", true},
		"cut in a line":     {head + "title: Nur", 4, "CN=Ann,DC=x", "cut off", true},
		"cut in base64":     {head + "photo:: AAEC\n AwQF\n B", 6, "CN=Ann,DC=x", "cut off", true},
		"short base64":      {head + "photo:: AAE\ntitle: x\n", 4, "CN=Ann,DC=x", "photo: illegal base64", false},
		"bad base64":        {"\n\n" + head + "title: x\nphoto:: !!!!\n", 7, "CN=Ann,DC=x", "photo: illegal base64", false},
		"bad base64 in dn":  {"dn:: !!!\ncn: x\n", 1, ": !!!", "dn: illegal base64", false},
		"file value":        {head + "photo:< file:///etc/hostname\n", 4, "CN=Ann,DC=x", "not opened", false},
		"file value in dn":  {"dn:< file:///etc/hostname\ncn: x\n", 1, "< file:///etc/hostname", "not opened", false},
		"folded file value": {head + "photo:\n < file:///etc/hostname\n", 4, "CN=Ann,DC=x", "not opened", false},
		"no colon":          {head + "title\n", 4, "CN=Ann,DC=x", "no colon", false},
		"no dn":             {"cn: Ann\n", 1, "", `not with "dn:"`, false},
		"binary":            {"\x89PNG\r\n\x1a\n\x00", 1, "", "not UTF-8", false},
		"NUL":               {"d\x00n\x00:\x00\n\x00", 1, "", "NUL", false},
		"Latin-1":           {head + "title: \xe4\n", 4, "CN=Ann,DC=x", "not UTF-8", false},
		"bad DN":            {"dn: nonsense\ncn: x\n", 1, "nonsense", "not a distinguished name", false},
		"empty DN":          {"dn:\ncn: x\n", 1, "", "DN is empty", false},
		"only dn":           {"dn: CN=x\n\n", 1, "CN=x", "no attributes", false},
		"changetype":        {"dn: CN=x\nchangetype: delete\n", 2, "CN=x", "is a change (delete)", false},
		"modify":            {"dn: CN=x\nchangetype: modify\nreplace: cn\ncn: y\n-\n", 2, "CN=x", "is a change", false},
		"control":           {"dn: CN=x\ncontrol: 1.2.3\nchangetype: add\ncn: x\n", 2, "CN=x", "control", false},
		"version":           {"version: 2\n" + head, 1, "", "version", false},
		"continuation":      {" x\n", 1, "", "continues nothing", false},
		"attribute name":    {head + "ti_tle: x\n", 4, "CN=Ann,DC=x", "invalid character", false},
		"no GUID":           {"dn: CN=Ann,DC=x\ncn: Ann\n", 1, "CN=Ann,DC=x", "no objectGUID", false},
		"GUID size":         {"dn: CN=Ann,DC=x\nobjectGUID:: AAAA\n", 1, "CN=Ann,DC=x", "16 bytes", false},
		"bad entryUUID":     {"dn: CN=Ann,DC=x\nentryUUID: x\n", 1, "CN=Ann,DC=x", "entryUUID", false},
		"same GUID":         {head + "\n" + strings.Replace(head, "Ann", "Bob", 1), 5, "CN=Bob,DC=x", "line 1 has the same identity", false},
		"same DN":           {head + "\n" + strings.Replace(head, "k/d", "k/e", 1), 5, "CN=Ann,DC=x", "line 1 has the same DN", false},
		"failed search":     {head + "\nsearch: 2\nresult: 4 Size limit exceeded\n", 6, "", "Size limit exceeded", true},
		"JSON":              {"{\n\"a\": 1}\n", 1, "", `not with "dn:"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ldif.Parse(strings.NewReader(c.text), ldif.Config{})
			e, ok := errors.AsType[*ldif.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.line, e.Line, "%v", err)
			require.Contains(t, e.Reason, c.reason)
			require.Equal(t, c.dn, e.DN)
			require.Equal(t, c.partial, errors.Is(err, ldapsync.ErrPartial))
			require.NotContains(t, err.Error(), "Error in line")
		})
	}
}

func TestTruncatedAnywhere(t *testing.T) {
	text := strings.ReplaceAll(export, "\r\n", "\n")
	whole := parse(t, text, ldif.Config{}).Len()
	for i := range len(text) - 1 {
		s, err := ldif.Parse(strings.NewReader(text[:i]), ldif.Config{})
		if err == nil && text[i-1] != '\n' {
			t.Fatalf("cut at %d, in the middle of a line: no error", i)
		}
		if err == nil {
			require.LessOrEqual(t, s.Len(), whole)
		}
	}
	for i := range 40 { // UTF-16 may be cut between bytes
		u := encode16(text, false)
		_, err := ldif.Parse(strings.NewReader(u[:len(u)-7-i]), ldif.Config{})
		require.Error(t, err)
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  ldif.Config
		want string
	}{
		"file":  {ldif.Config{MaxBytes: 100}, "larger than 100 bytes"},
		"line":  {ldif.Config{MaxRecord: 20}, "line is longer than 20"},
		"entry": {ldif.Config{MaxRecord: 200}, "entry is larger than 200"},
	} {
		_, err := ldif.Parse(strings.NewReader(export), c.cfg)
		require.ErrorContains(t, err, c.want, name)
	}
	// An endless line, an endless entry and an endless fold end.
	for _, unit := range []string{"a", "cn: x\n", " x\n"} {
		r := io.MultiReader(strings.NewReader("dn: CN=x\n"), endless(unit))
		_, err := ldif.Parse(r, ldif.Config{MaxRecord: 1 << 20})
		require.Error(t, err)
	}
}

type endlessReader struct{ unit string }

func endless(unit string) io.Reader { return &endlessReader{unit} }
func (e *endlessReader) Read(p []byte) (int, error) {
	n := 0
	for n+len(e.unit) <= len(p) {
		n += copy(p[n:], e.unit)
	}
	return n, nil
}

func TestDeriveIDs(t *testing.T) {
	ctx := t.Context()
	const text = "dn: CN=Ann,OU=Staff,DC=x\nobjectClass: user\n"
	s := parse(t, text, ldif.Config{DeriveIDs: true})
	ou, err := s.Container(ctx, ldapsync.ContainerRef{DN: "OU=Staff,DC=x"})
	require.NoError(t, err)
	got, err := collect(s.Read(ctx, ldapsync.Query{Class: ldapsync.User, Container: ou}))
	require.NoError(t, err)
	require.Len(t, got, 1)
	other := parse(t, "dn: CN=Bob,DC=x\ncn: Bob\n\ndn: cn=ANN,ou=staff,dc=X\nobjectClass: user\n", ldif.Config{DeriveIDs: true})
	_, err = other.Locate(ctx, got[0].ID, nil)
	require.NoError(t, err, "the same for equal names in every export")
}

// TestMissingContainer: an organisational unit that is not in the export itself is not one to rely on.
func TestMissingContainer(t *testing.T) {
	ctx := t.Context()
	s := parse(t, "dn: CN=Ann,OU=Staff,DC=x\nobjectClass: user\nobjectGUID:: k/d0AbULl06bf/YZgmCoqA==\n", ldif.Config{})
	_, err := s.Container(ctx, ldapsync.ContainerRef{DN: "OU=Staff,DC=x"})
	require.ErrorIs(t, err, ldapsync.ErrNotFound)
	require.ErrorContains(t, err, "export it too")
	got, err := collect(s.Read(ctx, ldapsync.Query{}))
	require.NoError(t, err)
	require.Len(t, got, 1, "what is not in the export is not read")
	children, err := s.ChildContainers(ctx, ldapsync.Container{})
	require.NoError(t, err)
	require.Empty(t, children)
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "export.ldf")
	require.NoError(t, os.WriteFile(path, []byte(export), 0o600))
	when := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	require.NoError(t, os.Chtimes(path, when, when))
	s, err := ldif.Open(path, ldif.Config{Domain: ldapsync.Domain{FQDN: "corp.example", NetBIOS: "CORP"}})
	require.NoError(t, err)
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	require.True(t, info.Time.Equal(when))
	require.Equal(t, "corp.example", info.Domain.FQDN)
	for _, bad := range []string{filepath.Join(dir, "none"), dir} {
		_, err = ldif.Open(bad, ldif.Config{})
		e, ok := errors.AsType[*ldif.Error](err)
		require.True(t, ok)
		require.Equal(t, bad, e.Path)
		require.Equal(t, 1, strings.Count(err.Error(), bad), "%v", err)
	}
}

func TestClassOf(t *testing.T) {
	const schema = ",CN=Schema,CN=Configuration,DC=x"
	for _, c := range []struct {
		classes  []string
		category string
		want     ldapsync.Class
	}{
		{[]string{"top", "user"}, "", ldapsync.User}, {[]string{"user"}, "CN=Person" + schema, ldapsync.User},
		{[]string{"user", "Computer"}, "", ldapsync.Device}, {[]string{"user", "computer"}, "CN=Computer" + schema, ldapsync.Device},
		{[]string{"user", "computer", "msDS-GroupManagedServiceAccount"}, "", 0},
		{[]string{"user", "computer", "msDS-GroupManagedServiceAccount"}, "CN=ms-DS-Group-Managed-Service-Account" + schema, 0},
		{[]string{"contact"}, "CN=Person" + schema, 0}, {[]string{"inetOrgPerson"}, "", ldapsync.User}, {[]string{"device"}, "", ldapsync.Device},
		{[]string{"organizationalUnit"}, "", 0}, {nil, "", 0},
	} {
		o := ldapsync.NewObject(ldapsync.GUID{}, ldapsync.DN{}, 0, ldapsync.Values("objectClass", c.classes...))
		if c.category != "" {
			o = o.With("objectCategory", c.category)
		}
		require.Equal(t, c.want, ldif.ClassOf(o), "%v %s", c.classes, c.category)
	}
	s := parse(t, "dn: CN=Ann,DC=x\ncn: Ann\n", ldif.Config{DeriveIDs: true, Class: ldapsync.User})
	got, err := collect(s.Read(t.Context(), ldapsync.Query{Class: ldapsync.User}))
	require.NoError(t, err)
	require.Len(t, got, 1, "entries without objectClass have the class of the configuration")
}

// TestTextIdentities: ldbsearch prints identities as text; plain LDAP servers have entryUUID.
func TestTextIdentities(t *testing.T) {
	const want = "0174f793-0bb5-4e97-9b7f-f6198260a8a8"
	for _, text := range []string{
		"dn: CN=x\nobjectGUID: 0174f793-0bb5-4e97-9b7f-f6198260a8a8\nobjectSid: S-1-5-21-1-2-3-4\n",
		"dn: CN=x\nentryUUID: 0174F793-0bb5-4e97-9b7f-f6198260a8a8\nobjectSid:: AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAABAAAAA==\n",
	} {
		got, err := collect(ldif.Records(strings.NewReader(text), ldif.Config{}))
		require.NoError(t, err)
		require.Equal(t, want, got[0].ID.String())
		sid, _ := got[0].Get("objectSid")
		s, err := ldapsync.SIDFromBytes([]byte(sid))
		require.NoError(t, err)
		require.Equal(t, "S-1-5-21-1-2-3-4", s.String())
		if raw, ok := got[0].Get("objectGUID"); ok {
			require.Equal(t, got[0].ID.Raw(), raw)
		}
	}
}

func TestWriteRoundTrip(t *testing.T) {
	id, err := ldapsync.ParseGUID("0174f793-0bb5-4e97-9b7f-f6198260a8a8")
	require.NoError(t, err)
	objects := []ldapsync.Object{
		ldapsync.NewObject(id, ldapsync.MustParseDN(`CN=Oakley\, Zoë,DC=x`), ldapsync.User,
			ldapsync.Values("objectClass", "user"), ldapsync.Values("description", " lead", "trail ", ":colon", "<less", "line\nbreak", "\x00\xff", "plain", strings.Repeat("long ", 50)+"."),
			ldapsync.Attr{Name: "mobile", Presence: ldapsync.Unreadable}),
		ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=PC,DC=x"), ldapsync.Device, ldapsync.Values("objectClass", "computer")),
	}
	var b bytes.Buffer
	require.NoError(t, ldif.Write(&b, slices.Values(objects)))
	got, err := collect(ldif.Records(bytes.NewReader(b.Bytes()), ldif.Config{}))
	require.NoError(t, err)
	require.Len(t, got, 2)
	for i, o := range got {
		require.Equal(t, objects[i].ID, o.ID)
		require.True(t, objects[i].DN.Equal(o.DN))
		require.Equal(t, objects[i].Class, o.Class)
		require.Equal(t, slices.Collect(objects[i].With("objectGUID", o.All("objectGUID")...).Attrs()), slices.Collect(o.Attrs()))
	}
	var again bytes.Buffer
	require.NoError(t, ldif.Write(&again, slices.Values(got)))
	require.Equal(t, b.String(), again.String())
	require.Error(t, ldif.Write(io.Discard, slices.Values([]ldapsync.Object{{}})))
}

// A memdir.Dump is an export.
func TestDump(t *testing.T) {
	d := memdir.New(memdir.Config{})
	_, err := d.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=Zoë,OU=Staff,DC=ashdown,DC=example"), ldapsync.User, ldapsync.Values("photo", "\x00\xff")))
	require.NoError(t, err)
	s := parse(t, d.Dump(), ldif.Config{})
	require.Equal(t, d.Len(), s.Len())
}

// exporting is a Source that exports the world anew for each call.
type exporting struct{ d *memdir.Dir }

func (e exporting) now() (*ldif.Source, error) {
	return ldif.Parse(strings.NewReader(e.d.Dump()), ldif.Config{})
}
func (e exporting) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	s, err := e.now()
	if err != nil {
		return ldapsync.DirectoryInfo{}, err
	}
	return s.Info(ctx)
}
func (e exporting) Container(ctx context.Context, r ldapsync.ContainerRef) (ldapsync.Container, error) {
	s, err := e.now()
	if err != nil {
		return ldapsync.Container{}, err
	}
	return s.Container(ctx, r)
}
func (e exporting) ChildContainers(ctx context.Context, c ldapsync.Container) ([]ldapsync.Container, error) {
	s, err := e.now()
	if err != nil {
		return nil, err
	}
	return s.ChildContainers(ctx, c)
}
func (e exporting) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		s, err := e.now()
		if err != nil {
			yield(ldapsync.Object{}, err)
			return
		}
		s.Read(ctx, q)(yield)
	}
}
func (e exporting) Locate(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	s, err := e.now()
	if err != nil {
		return ldapsync.Object{}, err
	}
	return s.Locate(ctx, id, attrs)
}

type world struct{ *memdir.Dir }

func (w world) AddOU(_ context.Context, parent ldapsync.DN, name string) (ldapsync.Container, error) {
	return w.Dir.AddOU(parent.Child("OU", name).String())
}
func (w world) Add(_ context.Context, o ldapsync.Object) (ldapsync.GUID, error) { return w.Dir.Add(o) }
func (w world) Set(_ context.Context, id ldapsync.GUID, attr string, values ...string) error {
	return w.Dir.Set(id, attr, values...)
}
func (w world) Move(_ context.Context, id ldapsync.GUID, parent ldapsync.DN) error {
	return w.Dir.Move(id, parent)
}
func (w world) Rename(_ context.Context, id ldapsync.GUID, name string) error {
	return w.Dir.Rename(id, name)
}
func (w world) Delete(_ context.Context, id ldapsync.GUID) error { return w.Dir.Delete(id) }
func (w world) Get(_ context.Context, id ldapsync.GUID) (ldapsync.Object, error) {
	if o, ok := w.Object(id); ok {
		return o, nil
	}
	return ldapsync.Object{}, ldapsync.ErrNotFound
}
func (w world) List(context.Context, ldapsync.DN) ([]ldapsync.Object, error) { return w.Objects(), nil }

func TestSource(t *testing.T) {
	targettest.RunSource(t, func(t *testing.T) *targettest.Fixture {
		d := memdir.New(memdir.Config{})
		base, err := d.AddOU("OU=Suite,DC=ashdown,DC=example")
		require.NoError(t, err)
		return &targettest.Fixture{Source: exporting{d}, World: world{d}, Base: base}
	}, nil)
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(export))
	f.Add([]byte(encode16(export, false)))
	f.Add([]byte("version: 1\ndn: CN=x\ncn: x\n# cn: unreadable\n"))
	f.Add([]byte("dn:: Q049eA==\nphoto:< file:///etc/hostname\n"))
	f.Add([]byte("search: 2\nresult: 4 x\n"))
	f.Add([]byte("dn: a=b+c=d,e=#00\nx;range=0-1: y\nx;range=2-*: y\nX: z\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		objects, err := collect(ldif.Records(bytes.NewReader(b), ldif.Config{DeriveIDs: true, MaxRecord: 1 << 16, MaxBytes: 1 << 20}))
		if err != nil {
			if _, ok := errors.AsType[*ldif.Error](err); !ok {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		var out bytes.Buffer
		if err := ldif.Write(&out, slices.Values(objects)); err != nil {
			t.Fatal(err)
		}
		again, err := collect(ldif.Records(bytes.NewReader(out.Bytes()), ldif.Config{DeriveIDs: true}))
		if err != nil || len(again) != len(objects) {
			t.Fatalf("%d entries written, %d read: %v\n%s", len(objects), len(again), err, out.Bytes())
		}
		for i, o := range again {
			for a := range objects[i].Attrs() {
				if !strings.EqualFold(a.Name, "objectGUID") && (!slices.Equal(a.Values, o.All(a.Name)) || a.Presence != o.Presence(a.Name)) {
					t.Fatalf("%s is %q, was %q", a.Name, o.All(a.Name), a.Values)
				}
			}
		}
		_, _ = ldif.Parse(bytes.NewReader(b), ldif.Config{DeriveIDs: true})
	})
}

// BenchmarkRecords reads an export of users with ten attributes; bytes/s is the figure to compare with a disk.
func BenchmarkRecords(b *testing.B) {
	const n = 10_000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "dn: CN=User %d,OU=Staff,DC=ashdown,DC=example\nobjectClass: user\nobjectGUID:: %s\n", i, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%016d", i)))
		for a := range 8 {
			fmt.Fprintf(&text, "attribute%d: a value of user %d\n", a, i)
		}
		text.WriteByte('\n')
	}
	b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
		b.SetBytes(int64(text.Len()))
		b.ReportAllocs()
		for b.Loop() {
			objects, err := collect(ldif.Records(strings.NewReader(text.String()), ldif.Config{}))
			if err != nil || len(objects) != n {
				b.Fatal(len(objects), err)
			}
		}
	})
}

func Example() {
	ctx := context.Background()
	const export = `dn: OU=Staff,DC=ashdown,DC=example
objectClass: organizationalUnit
objectGUID:: 4+d3FrULTEKbfvYZgmCoqA==

dn: CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example
objectClass: user
department: Ward 3
objectGUID:: k/d0AbULl06bf/YZgmCoqA==
`
	src, err := ldif.Parse(strings.NewReader(export), ldif.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	staff, _ := src.Container(ctx, ldapsync.ContainerRef{DN: "OU=Staff,DC=ashdown,DC=example"})
	for o, err := range src.Read(ctx, ldapsync.Query{Class: ldapsync.User, Container: staff, Attrs: []string{"department"}}) {
		fmt.Println(o.ID, o.DN, o.All("department"), err)
	}
	// Output: 0174f793-0bb5-4e97-9b7f-f6198260a8a8 CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example [Ward 3] <nil>
}

func ExampleParse_cutOff() {
	_, err := ldif.Parse(strings.NewReader("dn: CN=Ann Oakley,DC=ashdown,DC=example\nthumbnailPhoto:: /9j/4A"), ldif.Config{})
	fmt.Println(err)
	// Output: ldif: line 2: CN=Ann Oakley,DC=ashdown,DC=example: the file is cut off in the middle of this line; export it again
}
