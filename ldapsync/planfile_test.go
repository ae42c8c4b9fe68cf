package ldapsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

func planBytes(t testing.TB, p *ldapsync.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := p.WriteTo(&b)
	require.NoError(t, err)
	return b.Bytes()
}

// TestPlanIsDeterministic plans the same world read in different orders.
func TestPlanIsDeterministic(t *testing.T) {
	var first []byte
	for i := range 3 {
		w := newWorld(t)
		w.users(40)
		p := w.plan()
		if i == 0 {
			first = planBytes(t, p)
		}
		require.Equal(t, string(first), string(planBytes(t, p)))
		require.Equal(t, string(first), string(planBytes(t, w.plan())))
	}
}

func TestPlanFile(t *testing.T) {
	w := newWorld(t)
	w.users(3)
	w.device(1)
	good := planBytes(t, w.plan())
	p, err := ldapsync.ReadPlan(bytes.NewReader(good))
	require.NoError(t, err)
	require.Equal(t, string(good), string(planBytes(t, p)))
	require.True(t, w.apply(p).OK(), "a plan that was written and read is applied like the original")
	lines := strings.SplitAfter(string(good), "\n")
	for name, c := range map[string]struct{ text, want string }{
		"empty":        {"", "line 1: the file is empty"},
		"not a plan":   {"hello\n", "line 1: this is not a plan"},
		"other":        {`{"a":1}` + "\n", "line 1: this is not a plan: json: unknown field"},
		"newer":        {strings.Replace(string(good), `"version":1`, `"version":2`, 1), "version 2 of the plan format"},
		"cut off":      {strings.Join(lines[:3], ""), "line 3: the file ends in the middle"},
		"cut in line":  {string(good[:len(good)*2/3]), "unexpected EOF"},
		"line removed": {lines[0] + strings.Join(lines[2:], ""), "3 items, but the last line says 4"},
		"line edited":  {strings.Replace(string(good), "Nurse", "Surgeon", 1), "the content does not fit the plan's ID"},
		"text after":   {string(good) + "x\n", "text after the last line"},
		"unknown":      {lines[0] + `{"track":"users","magic":1}` + "\n", `line 2: json: unknown field "magic"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ldapsync.ReadPlan(strings.NewReader(c.text))
			require.ErrorContains(t, err, c.want)
			var pe *ldapsync.PlanFileError
			require.ErrorAs(t, err, &pe)
		})
	}
}

func FuzzReadPlan(f *testing.F) {
	w := newWorld(&testing.T{})
	w.users(2)
	w.device(1)
	f.Add(planBytes(f, w.plan()))
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"version":1}` + "\n" + `{"end":true,"items":0,"id":""}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ldapsync.ReadPlan(bytes.NewReader(b))
		if err != nil {
			return
		}
		// What was accepted survives a round trip.
		q, err := ldapsync.ReadPlan(bytes.NewReader(planBytes(t, p)))
		require.NoError(t, err)
		require.Equal(t, p.ID, q.ID)
	})
}

func TestValueListJSON(t *testing.T) {
	for _, v := range []ldapsync.ValueList{nil, {"plain"}, {"", "a\"b", "Größe", "line\nbreak", "\x00", "\xff\xfe", " ", " sep", "�", strings.Repeat("x", 300)}} {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		var back ldapsync.ValueList
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, v, back)
	}
	for _, bad := range []string{`{}`, `[1]`, `[{"base64":"!"}]`, `[{"x":1}]`, `[null, {"base64":null}]`} {
		var v ldapsync.ValueList
		require.Error(t, json.Unmarshal([]byte(bad), &v), bad)
	}
}

func TestPlanText(t *testing.T) {
	w := newWorld(t)
	ids := w.users(12)
	w.cycle()
	require.NoError(t, w.src.Set(ids[2], "title", "Ward manager"))
	require.NoError(t, w.src.Move(ids[3], ldapsync.MustParseDN("DC=ashdown,DC=example")))
	p := w.plan()
	got := text(p)
	for _, want := range []string{
		`update   CN=user002,` + usersOU + `  (joined before)`,
		`title: "Nurse" -> "Ward manager"  [title; differs; title="Ward manager"]`,
		`revert   CN=user003,DC=ashdown,DC=example  (it was moved out of the OU)`,
		`title: "Nurse" -> absent  [revert; the engine wrote it as rule title]`,
		"users: 11 read, 12 joined before, 10 unchanged, 1 update, 1 revert",
	} {
		require.Contains(t, got, want)
	}
	var b bytes.Buffer
	require.NoError(t, p.WriteText(&b, ldapsync.TextOptions{Redact: true}))
	require.NotContains(t, b.String(), "Ward manager")
	require.NotContains(t, b.String(), "Nurse")
}

func TestExplain(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ids := w.users(12)
	pc := w.device(1)
	require.NoError(t, w.src.Set(pc, "userCertificate"))
	w.cycle()
	require.NoError(t, w.src.Set(ids[4], "title"))
	e, err := w.Explain(ctx, "cn=USER004,"+usersOU)
	require.NoError(t, err)
	require.True(t, e.InScope)
	require.Equal(t, "users", e.Track)
	require.Equal(t, "joined before", e.Join)
	require.Len(t, e.Rules, len(w.Organisation.Tracks[0].Mapping))
	require.NotEmpty(t, e.Owned)
	require.Equal(t, ldapsync.ActionUpdate, e.Items[0].Action)
	var b bytes.Buffer
	require.NoError(t, e.WriteText(&b))
	require.Contains(t, b.String(), `title: "Nurse" -> absent`)

	e, err = w.Explain(ctx, pc.String())
	require.NoError(t, err)
	require.False(t, e.Conditions[0].OK)
	require.Contains(t, e.Conditions[0].Reason, "Automatic-Device-Join")

	require.NoError(t, w.src.Move(ids[5], ldapsync.MustParseDN("DC=ashdown,DC=example")))
	e, err = w.Explain(ctx, ids[5].String())
	require.NoError(t, err)
	require.False(t, e.InScope)
	require.Contains(t, e.Where, "moved out of the OU")

	other, err := w.src.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=Elsewhere,DC=ashdown,DC=example"), ldapsync.User))
	require.NoError(t, err)
	e, err = w.Explain(ctx, other.String())
	require.NoError(t, err)
	require.Empty(t, e.Track)
	require.Equal(t, "CN=Elsewhere,DC=ashdown,DC=example", e.DN.String())

	for _, who := range []string{"CN=Nobody,DC=ashdown,DC=example", "00000000-0000-0000-0000-000000000001"} {
		_, err = w.Explain(ctx, who)
		require.ErrorIs(t, err, ldapsync.ErrNotFound)
	}
	_, err = w.Explain(ctx, "nonsense")
	require.ErrorContains(t, err, "neither an objectGUID nor a distinguished name")
}
