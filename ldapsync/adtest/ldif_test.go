package adtest_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

func TestLoad(t *testing.T) {
	const ou = "dn: OU=X,DC=ashdown,DC=example\nobjectClass: organizationalUnit\n"
	for name, tc := range map[string]struct {
		ldif string
		line int // of the error, 0 for none
		text string
	}{
		"empty":                      {"", 0, ""},
		"comment and version":        {"# c\n # folded comment\n\nversion: 1\n\n" + ou, 0, ""},
		"CRLF":                       {strings.ReplaceAll(ou, "\n", "\r\n"), 0, ""},
		"no newline at end":          {strings.TrimSuffix(ou, "\n"), 0, ""},
		"children first":             {"dn: CN=a,OU=X,DC=ashdown,DC=example\nobjectClass: user\n\n" + ou, 0, ""},
		"as ldifde writes it":        {"dn: OU=X,DC=ashdown,DC=example\nchangetype: add\nobjectClass: top\nobjectClass: organizationalUnit\nuSNChanged: 12\nwhenCreated: 20200101000000.0Z\ninstanceType: 4\nname: X\nou: X\n", 0, ""},
		"existing is merged":         {"dn: DC=ashdown,DC=example\nobjectClass: domainDNS\ndescription: merged\n", 0, ""},
		"version 2":                  {"version: 2\n", 1, "version"},
		"no dn":                      {"\n\nobjectClass: user\n", 3, "starts with dn"},
		"no colon":                   {ou + "nonsense\n", 3, "no attribute name and colon"},
		"bad name":                   {ou + "a b: c\n", 3, "no attribute name"},
		"bad base64":                 {ou + "description:: ???\n", 3, "base64"},
		"url":                        {ou + "description:< file:///etc/passwd\n", 3, "URL"},
		"modify":                     {"dn: OU=X,DC=ashdown,DC=example\nchangetype: modify\nreplace: description\n", 2, "changetype"},
		"control":                    {"dn: OU=X,DC=ashdown,DC=example\ncontrol: 1.2.3 true\nchangetype: add\n", 2, "control"},
		"second dn":                  {ou + ou, 3, "empty line"},
		"twice the same":             {ou + "\n" + strings.ToLower(ou[:30]) + ou[30:], 4, "line 1 already"},
		"folding without line":       {" folded\n", 1, "continuation"},
		"bad dn":                     {"dn: nonsense\nobjectClass: user\n", 1, "component without attribute"},
		"missing parent":             {"dn: CN=a,OU=None,DC=ashdown,DC=example\nobjectClass: user\n", 1, "NO_OBJECT"},
		"other domain":               {"dn: CN=a,DC=other,DC=example\nobjectClass: user\n", 1, "NO_OBJECT"},
		"no objectClass":             {"dn: CN=a,DC=ashdown,DC=example\n", 1, "objectClass"},
		"empty value":                {ou + "description:\n", 1, "empty value"},
		"attribute in two spellings": {ou + "description: a\nDESCRIPTION: b\n", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := adtest.New(t, adtest.Config{Socketless: true})
			err := s.Load(strings.NewReader(tc.ldif))
			if tc.line == 0 {
				require.NoError(t, err)
				return
			}
			var le *adtest.LDIFError
			require.ErrorAs(t, err, &le)
			require.Equal(t, tc.line, le.Line, err)
			require.ErrorContains(t, err, tc.text)
		})
	}
}

func TestLoadKeepsIdentity(t *testing.T) {
	s := adtest.New(t, adtest.Config{Socketless: true, LDIF: strings.NewReader(`dn: CN=a,CN=Users,DC=ashdown,DC=example
objectClass: user
objectGUID:: k/d0AbULl06bf/YZgmCoqA==
objectSid:: AQUAAAAAAAUVAAAAjQPIDN6xPex0GLxJXysAAA==
manager: CN=not exported,DC=ashdown,DC=example
userPassword: ignored
description: folded over
  two lines
`)})
	e, err := s.Get("<GUID=0174f793-0bb5-4e97-9b7f-f6198260a8a8>")
	require.NoError(t, err)
	sid, err := adtest.SIDString(e.First("objectsid"))
	require.NoError(t, err)
	require.Equal(t, "S-1-5-21-214434701-3963466206-1237063796-11103", sid)
	require.Equal(t, []string{"CN=not exported,DC=ashdown,DC=example"}, e.Get("manager"))
	require.Equal(t, "folded over two lines", e.First("description"))
	require.Empty(t, e.Get("userPassword"))
}

func TestLoadReportsReader(t *testing.T) {
	s := adtest.New(t, adtest.Config{Socketless: true})
	require.ErrorIs(t, s.Load(iotest.ErrReader(errors.ErrUnsupported)), errors.ErrUnsupported)
	fsys := fstest.MapFS{"a.ldif": {Data: []byte("dn: OU=A,DC=ashdown,DC=example\nobjectClass: organizationalUnit\n")}, "b.ldif": {Data: []byte("x\n")}}
	require.NoError(t, s.LoadFS(fsys, "a.ldif"))
	require.ErrorContains(t, s.LoadFS(fsys, "b.ldif"), "b.ldif: adtest: LDIF line 1")
	require.ErrorContains(t, s.LoadFS(fsys, "c.ldif"), "c.ldif")
	_, err := adtest.Start(adtest.Config{Socketless: true, LDIF: strings.NewReader("x\n")})
	require.ErrorContains(t, err, "LDIF line 1")
}

func TestDumpRoundTrip(t *testing.T) {
	s := newVale(t)
	require.NoError(t, s.Set(ada, "description", " leading", "trailing ", "a\nb", ":x", "\u00fc", strings.Repeat("long ", 60)+"end"))
	require.NoError(t, s.Set(ada, "userCertificate", "\x00\x01\xff"))
	_, err := s.Add(`CN=O\, Neil\=x,`+people, adtest.Attrs{"objectClass": {"user"}})
	require.NoError(t, err)
	var first, again bytes.Buffer
	require.NoError(t, s.Dump(&first, ""))
	require.NoError(t, s.Dump(&again, base))
	require.Equal(t, first.String(), again.String())
	for line := range strings.Lines(first.String()) {
		require.LessOrEqual(t, len(line), 77)
	}

	s2 := adtest.New(t, adtest.Config{Socketless: true, LDIF: strings.NewReader(first.String())})
	again.Reset()
	require.NoError(t, s2.Dump(&again, ""))
	require.Equal(t, first.String(), again.String())

	var part bytes.Buffer
	require.NoError(t, s.Dump(&part, people))
	require.NotContains(t, part.String(), "PC-0001")
	require.Error(t, s.Dump(&part, "OU=None,"+base))
}

func TestRunsRepeat(t *testing.T) {
	var one, two bytes.Buffer
	require.NoError(t, newVale(t).Dump(&one, ""))
	require.NoError(t, newVale(t).Dump(&two, ""))
	require.Equal(t, one.String(), two.String(), "objectGUIDs and SIDs are the same in every run")
	other := adtest.New(t, adtest.Config{Socketless: true, Domain: "provisioning.example"})
	require.Equal(t, "DC=provisioning,DC=example", other.BaseDN())
	require.NotEqual(t, newVale(t).InvocationID(), other.InvocationID())
}

func TestEntries(t *testing.T) {
	s := newVale(t)
	list, err := s.Entries("OU=Trust," + base)
	require.NoError(t, err)
	var got []string
	for _, e := range list {
		got = append(got, e.DN)
	}
	require.Equal(t, []string{"OU=Trust," + base, "CN=All,OU=Trust," + base, "CN=Staff,OU=Trust," + base, devices, "CN=PC-0001," + devices, people, ada, "CN=Zoë Hart," + people, "OU=Child," + people, "CN=Child User,OU=Child," + people}, got)
	_, err = s.Entries("OU=None," + base)
	var ae *adtest.Error
	require.ErrorAs(t, err, &ae)
	require.Equal(t, adtest.ResultNoSuchObject, ae.Code)
	require.Equal(t, base, ae.MatchedDN)
}

// FuzzLoad checks that what loads can be dumped, and that loading the dump again changes nothing.
func FuzzLoad(f *testing.F) {
	f.Add(vale)
	f.Add("version: 1\ndn: CN=a,DC=ashdown,DC=example\nobjectClass: user\nmember: CN=a,DC=ashdown,DC=example\n")
	f.Add("dn: CN=a,DC=ashdown,DC=example\nobjectClass: x\nmanager: CN=none\nobjectGUID: 0123456789abcdef\n")
	s, err := adtest.Start(adtest.Config{Socketless: true})
	if err != nil {
		f.Fatal(err)
	}
	snap := s.Snapshot()
	f.Fuzz(func(t *testing.T, in string) {
		s.Restore(snap)
		if s.Load(strings.NewReader(in)) != nil {
			return
		}
		var out bytes.Buffer
		if err := s.Dump(&out, ""); err != nil {
			t.Fatal(err)
		}
		usn := s.HighestUSN()
		if err := s.Load(bytes.NewReader(out.Bytes())); err != nil {
			t.Fatalf("%v in\n%s", err, out.String())
		}
		var again bytes.Buffer
		if err := s.Dump(&again, ""); err != nil || again.String() != out.String() || s.HighestUSN() != usn {
			t.Fatalf("USN %d, %d: %v\n%s\n---\n%s", usn, s.HighestUSN(), err, out.String(), again.String())
		}
	})
}
