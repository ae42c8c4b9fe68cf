package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg/dsregtest"
	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

var update = flag.Bool("update", false, "write the embedded captures and the golden output again")

func offboard(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	return path
}

func TestDemo(t *testing.T) {
	before, after := dsregtest.New(dsregtest.Hybrid).String(), dsregtest.New(dsregtest.Domain).String()
	golden := filepath.Join("testdata", "demo.golden")
	if *update {
		require.NoError(t, os.WriteFile("demo/before.txt", []byte(before), 0o666))
		require.NoError(t, os.WriteFile("demo/after.txt", []byte(after), 0o666))
		demoBefore, demoAfter = []byte(before), []byte(after)
	}
	require.Equal(t, before, string(demoBefore))
	require.Equal(t, after, string(demoAfter))
	code, out, errs := offboard(t, "", "demo")
	require.Equal(t, exitOK, code, errs)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(golden, []byte(out), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), out)

	code, out, _ = offboard(t, "", "demo", "-json")
	require.Equal(t, exitOK, code)
	var doc struct {
		Plan   departure
		Verify check
	}
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.True(t, doc.Verify.Left)
	ids := func(d departure) (out []string) {
		for i, s := range d.Steps {
			require.Equal(t, i+1, s.Number)
			require.NotEmpty(t, s.Why, s.ID)
			require.NotEmpty(t, s.Source, s.ID)
			out = append(out, s.ID)
		}
		return out
	}
	require.Equal(t, []string{"move-users", "capture-before", "move-devices", "unlink-policy", "stop-registration", "leave", "verify-leave", "run-engine", "remove-cdj",
		"remove-delegation", "remove-trust", "remove-vpn", "remove-edge-dc", "check-provisioning"}, ids(doc.Plan))
}

// TestSome: single objects leave, and what the others need stays.
func TestSome(t *testing.T) {
	const ou = "OU=HybridComputers,DC=ashdown,DC=example"
	code, out, errs := offboard(t, `{"organisation": "Ashdown Vale", "registrationPolicy": "Hybrid join",
		"devices": {"ou": "`+ou+`", "moveTo": "OU=Work’s,DC=ashdown,DC=example", "objects": ["CN=AV-1,`+ou+`", "CN=O'Neill,`+ou+`"]}}`, "plan", "-json", "-")
	require.Equal(t, exitOK, code, errs)
	var d departure
	require.NoError(t, json.Unmarshal([]byte(out), &d))
	at := slices.IndexFunc(d.Steps, func(s step) bool { return s.ID == "move-devices" })
	require.Equal(t, []string{
		"Move-ADObject -Identity 'CN=AV-1," + ou + "' -TargetPath 'OU=Work’’s,DC=ashdown,DC=example'",
		"Move-ADObject -Identity 'CN=O''Neill," + ou + "' -TargetPath 'OU=Work’’s,DC=ashdown,DC=example'"}, d.Steps[at].Commands)
	for _, s := range d.Steps {
		require.NotContains(t, []string{"move-users", "remove-delegation", "remove-trust", "remove-vpn", "remove-edge-dc"}, s.ID)
		require.NotContains(t, strings.Join(s.Commands, " "), "Remove-GPLink", "others need the link")
	}
	at = slices.IndexFunc(d.Steps, func(s step) bool { return s.ID == "remove-cdj" })
	require.Len(t, d.Steps[at].Commands, 2)
	for _, c := range d.Steps[at].Commands {
		require.Regexp(t, `^reg(\.exe)? delete .*CDJ\\AAD`, c)
	}
	require.Len(t, d.Notes, 2)
}

// TestEngine: the tool says what the plan of the engine will take back, for a user who was really synchronised.
func TestEngine(t *testing.T) {
	ctx := t.Context()
	const ou, out = "OU=Staff,DC=ashdown,DC=example", "OU=Old,DC=ashdown,DC=example"
	source, target := memdir.New(memdir.Config{Seed: 1}), memdir.New(memdir.Config{Seed: 2})
	id := ldapsync.GUID{1}
	ann := ldapsync.NewObject(id, ldapsync.MustParseDN("CN=Ann Oakley,"+ou), ldapsync.User, ldapsync.Values("mail", "ann@ashdown.example"), ldapsync.Values("title", "Nurse"))
	source.Add(ann)
	source.Add(ldapsync.NewObject(ldapsync.GUID{2}, ldapsync.MustParseDN("CN=Bashir,"+ou), ldapsync.User, ldapsync.Values("mail", "b@ashdown.example")))
	source.Add(ldapsync.NewObject(ldapsync.GUID{3}, ldapsync.MustParseDN("CN=Old,"+out), 0))
	target.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=a.oakley,OU=People,DC=prov,DC=example"), ldapsync.User, ldapsync.Values("mail", "ann@ashdown.example")))
	s := &ldapsync.Syncer{Source: source, Target: target, State: memstate.New(), Organisation: ldapsync.Organisation{Name: "ashdown",
		Tracks: []ldapsync.Track{ldapsync.UsersTrack(ou, "OU=People,DC=prov,DC=example", ldapsync.Mapping{ldapsync.Copy("title", "title")})}}}
	p, err := s.Plan(ctx)
	require.NoError(t, err)
	_, err = s.Apply(ctx, p, ldapsync.ApplyOptions{})
	require.NoError(t, err)
	require.NoError(t, source.Move(id, ldapsync.MustParseDN(out)))
	p, err = s.Plan(ctx)
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = p.WriteTo(&b)
	require.NoError(t, err)
	request := `{"organisation":"Ashdown Vale","users":{"ou":"` + ou + `","moveTo":"` + out + `","objects":["CN=Ann Oakley,` + ou + `"]}}`
	code, text, errs := offboard(t, request, "plan", "-json", "-engine", file(t, "leave.plan", b.String()))
	require.Equal(t, exitOK, code, errs)
	var d departure
	require.NoError(t, json.Unmarshal([]byte(text), &d))
	require.Len(t, d.Reverts, 1)
	require.Equal(t, "revert", d.Reverts[0].Action)
	require.Contains(t, d.Reverts[0].Attrs, "title")
	require.Contains(t, d.Reverts[0].Object, "Ann Oakley")

	code, _, errs = offboard(t, request, "plan", "-engine", file(t, "cut.plan", b.String()[:b.Len()-3]))
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "line")
}

func TestVerify(t *testing.T) {
	hybrid, domain := file(t, "a", dsregtest.New(dsregtest.Hybrid).String()), file(t, "b", dsregtest.New(dsregtest.Domain).String())
	other := file(t, "c", strings.ReplaceAll(dsregtest.New(dsregtest.Domain).String(), dsregtest.Computer, "AV-LT-9999"))
	for _, c := range []struct {
		before, after string
		code          int
		want          string
	}{
		{hybrid, domain, exitOK, "The device has left"},
		{hybrid, hybrid, exitStill, "/debug /leave"},
		{domain, domain, exitStill, "nothing to leave"},
		{hybrid, other, exitStill, "two different computers"},
		{hybrid, file(t, "d", "| Device State |\n"), exitStill, "take the whole output"},
		{hybrid, file(t, "e", "\x89PNG\r\n\x1a\n\x00"), exitUsage, "a PNG image"},
		{hybrid, file(t, "f", ""), exitUsage, "empty"},
		{hybrid, "none", exitUsage, "no such file"},
	} {
		code, out, errs := offboard(t, "", "verify", c.before, c.after)
		require.Equal(t, c.code, code, out+errs)
		require.Contains(t, out+errs, c.want)
	}
	code, out, _ := offboard(t, dsregtest.New(dsregtest.Domain).String(), "verify", "-json", hybrid, "-")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, `"left":true`)
}

func TestWrongUse(t *testing.T) {
	const ou, to = `"ou":"OU=A,DC=x"`, `"moveTo":"OU=B,DC=x"`
	for in, want := range map[string]string{
		"":                     "empty",
		"{":                    "line 1",
		"\x89PNG":              "line 1",
		"{\n\"x\":1}":          `line 2: json: unknown field "x"`,
		`{}{}`:                 "more than one",
		`{}`:                   "organisation is missing",
		`{"organisation":"x"}`: "neither users nor devices",
		`{"organisation":"x","users":{` + ou + `}}`:                                                           "users.moveTo",
		`{"organisation":"x","users":{` + ou + `,"moveTo":"ou=a,dc=X"}}`:                                      "the synchronised OU itself",
		`{"organisation":"x","users":{` + to + `,"objects":["CN=a"]}}`:                                        "users.ou",
		`{"organisation":"x","users":{` + ou + `,` + to + `,"objects":["CN=a,OU=C,DC=x"]}}`:                   "is not in",
		`{"organisation":"x","users":{` + ou + `,` + to + `,"objects":["x"]}}`:                                "objects[0]",
		`{"organisation":"x","everything":true,"users":{` + ou + `,` + to + `,"objects":["CN=a,OU=A,DC=x"]}}`: "all objects of the OU leave",
	} {
		code, out, errs := offboard(t, in, "plan", "-")
		require.Equal(t, exitUsage, code, in)
		require.Empty(t, out, in)
		require.Contains(t, errs, want, in)
	}
	for _, args := range [][]string{nil, {"nosuch"}, {"plan", "-nosuch"}, {"plan", "a", "b"}, {"verify", "a"}, {"demo", "x"}, {"verify", "-engine", "x", "a", "b"}, {"plan", "none.json"}} {
		code, out, errs := offboard(t, "", args...)
		require.Equal(t, exitUsage, code, args)
		require.Empty(t, out)
		require.NotEmpty(t, errs)
	}
	code, _, errs := offboard(t, "", "-h")
	require.Equal(t, exitOK, code)
	require.Contains(t, errs, "exit status")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, exitUsage, run(ctx, []string{"demo"}, strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}))
}
