package regpol_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regpol"
)

const key = `Software\Policies\Ashdown`

var blank = registry.Value{Type: registry.TypeSZ, Data: []byte{' ', 0, 0, 0}}

// build makes a file of records.
func build(t testing.TB, records ...regpol.Record) []byte {
	out := regpol.AppendHeader(nil)
	for _, r := range records {
		var err error
		out, err = regpol.AppendRecord(out, r)
		require.NoError(t, err)
	}
	return out
}

func rec(name string, v registry.Value) regpol.Record {
	return regpol.Record{Key: key, Name: name, Type: v.Type, Data: v.Data}
}

func TestInstructions(t *testing.T) {
	p := registry.HKLM(key)
	tests := []struct {
		rec  regpol.Record
		want []registry.Entry
	}{
		{rec("v", registry.DWord(7)), []registry.Entry{{Op: registry.Set, Path: p, Name: "v", Value: registry.DWord(7)}}},
		{rec("", registry.Value{}), []registry.Entry{{Op: registry.CreateKey, Path: p}}},
		{rec("", registry.String("d")), []registry.Entry{{Op: registry.Set, Path: p, Value: registry.String("d")}}},
		{rec("**del.v", blank), []registry.Entry{{Op: registry.DeleteValue, Path: p, Name: "v"}}},
		{rec("**Del.v", registry.DWord(0)), []registry.Entry{{Op: registry.DeleteValue, Path: p, Name: "v", Value: registry.DWord(0), Note: "**Del.v"}}},
		{rec("**delvals.", blank), []registry.Entry{{Op: registry.ClearValues, Path: p}}},
		{rec("**DelVals", blank), []registry.Entry{{Op: registry.ClearValues, Path: p, Note: "**DelVals"}}},
		{rec("**DeleteValues", registry.String("a;b")), []registry.Entry{
			{Op: registry.DeleteValue, Path: p, Name: "a", Note: "**DeleteValues"}, {Op: registry.DeleteValue, Path: p, Name: "b", Note: "**DeleteValues"},
		}},
		{rec("**deletekeys", registry.String("a;b")), []registry.Entry{
			{Op: registry.DeleteKey, Path: p.Join("a"), Note: "**deletekeys"}, {Op: registry.DeleteKey, Path: p.Join("b"), Note: "**deletekeys"},
		}},
		{rec("**SecureKey", registry.DWord(1)), []registry.Entry{{Op: registry.SecureKey, Path: p, Value: registry.DWord(1)}}},
		{rec("**soft.v", registry.String("x")), []registry.Entry{{Op: registry.SetIfAbsent, Path: p, Name: "v", Value: registry.String("x")}}},
		{rec("**Soft.v", registry.String("x")), []registry.Entry{{Op: registry.SetIfAbsent, Path: p, Name: "v", Value: registry.String("x"), Note: "**Soft.v"}}},
		{rec("**Comment:hello", registry.String("x")), []registry.Entry{{Op: registry.Note, Path: p, Name: "**Comment:hello", Value: registry.String("x"), Note: "**Comment:hello"}}},
		{rec("**DeleteKeys", registry.DWord(1)), []registry.Entry{{Op: registry.Note, Path: p, Name: "**DeleteKeys", Value: registry.DWord(1), Note: "**DeleteKeys"}}},
	}
	for _, tt := range tests {
		t.Run(tt.rec.Name, func(t *testing.T) {
			data := build(t, tt.rec)
			var got []registry.Entry
			for e, err := range (regpol.Decoder{}).DecodeBytes(data) {
				require.NoError(t, err)
				require.Equal(t, registry.Pos{Offset: 8, Record: 1}, e.Pos)
				e.Pos = registry.Pos{}
				if len(e.Value.Data) == 0 {
					e.Value.Data = nil
				}
				got = append(got, e)
			}
			require.Equal(t, tt.want, got)
			var out bytes.Buffer
			require.NoError(t, regpol.Encode(&out, func(yield func(registry.Entry) bool) {
				for e := range (regpol.Decoder{}).DecodeBytes(data) {
					if !yield(e) {
						return
					}
				}
			}))
			require.Equal(t, data, out.Bytes(), "effects encode to the same bytes")
		})
	}
}

// TestEffects replays every instruction on a registry.
func TestEffects(t *testing.T) {
	data := build(t,
		rec("a", registry.DWord(1)), rec("b", registry.DWord(2)), rec("c", registry.DWord(3)), rec("**del.A", blank), rec("**DeleteValues", registry.String("B;x")),
		rec("**soft.c", registry.DWord(9)), rec("**soft.d", registry.DWord(4)),
		regpol.Record{Key: key + `\One\Two`, Name: "n", Type: registry.TypeDWord, Data: []byte{1, 0, 0, 0}}, regpol.Record{Key: key + `\Three`},
		rec("**DeleteKeys", registry.String("One;Nope")),
	)
	snap, err := registry.Collect("x", regpol.Decoder{Hive: registry.CurrentUser}.DecodeBytes(data))
	require.NoError(t, err)
	var names []string
	for it := range snap.All() {
		require.True(t, it.Path.Equal(registry.HKCU(key)))
		names = append(names, it.Name+"="+it.Value.String())
	}
	require.Equal(t, []string{"c=3 (0x3)", "d=4 (0x4)"}, names)
	require.True(t, snap.HasKey(registry.HKCU(key+`\Three`)))
	require.False(t, snap.HasKey(registry.HKCU(key+`\One`)))
}

// TestDataLooksLikeTheEnd: what a reader that searches for delimiters gets wrong.
func TestDataLooksLikeTheEnd(t *testing.T) {
	records := []regpol.Record{
		rec("a", registry.DWord(0x005d0000)), rec("b", registry.DWord(0x00010000)), rec("c", registry.Binary([]byte("]\x00[\x00x\x00\x00\x00;\x00"))),
		rec("d;]", registry.String("a];[b")), rec("e", registry.Binary(build(t, rec("inner", registry.DWord(1)))[8:])),
	}
	data := build(t, records...)
	for _, tolerant := range []bool{false, true} {
		n := 0
		for got, err := range (regpol.Decoder{Tolerant: tolerant}).Records(data) {
			require.NoError(t, err)
			require.Equal(t, records[n].Name, got.Name)
			require.Equal(t, records[n].Data, got.Data)
			n++
		}
		require.Len(t, records, n)
	}
}

func TestWrongSize(t *testing.T) {
	good := build(t, rec("a", registry.DWord(1)), rec("b", registry.String("some text")), rec("c", registry.DWord(3)))
	start := bytes.Index(good, registry.AppendUTF16(nil, "b\x00;"))
	size := start + 6 + 4 + 2 // "b" NUL ";" type ";"
	for _, n := range []uint32{0, 4, 19, 21, 22, 1000, 0xFFFFFFFF} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			data := bytes.Clone(good)
			require.Equal(t, uint32(20), binary.LittleEndian.Uint32(data[size:]))
			binary.LittleEndian.PutUint32(data[size:], n)
			var se *registry.SyntaxError
			_, err := registry.Collect("", regpol.Decode(bytes.NewReader(data)))
			require.ErrorAs(t, err, &se)
			require.ErrorIs(t, err, regpol.ErrSize)
			require.Equal(t, 2, se.Pos.Record)
			require.GreaterOrEqual(t, se.Pos.Offset, int64(size))

			var names []string
			complaints := 0
			for got, err := range (regpol.Decoder{Tolerant: true}).Records(data) {
				if err != nil {
					complaints++
					require.ErrorIs(t, err, regpol.ErrSize)
					require.ErrorContains(t, err, "read 20 bytes up to the closing bracket instead")
				}
				names = append(names, got.Name)
			}
			require.Equal(t, 1, complaints)
			require.Equal(t, []string{"a", "b", "c"}, names)
		})
	}
}

func TestBrokenFiles(t *testing.T) {
	good := build(t, rec("a", registry.DWord(1)), rec("b", registry.DWord(2)))
	second := 8 + (len(good)-8)/2
	for name, tt := range map[string]struct {
		data []byte
		msg  string
		left []string // names the tolerant decoder still finds
	}{
		"empty":     {nil, "empty", nil},
		"signature": {append([]byte("PRex"), good[4:]...), "header", nil},
		"version":   {append([]byte("PReg\x02\x00\x00\x00"), good[8:]...), "byte 0x4", nil},
		"cut":       {good[:len(good)-1], "record 2", []string{"a"}},
		"cut name":  {good[:second+20], "record 2", []string{"a"}},
		"junk":      {slices.Concat(good[:second], []byte("junk"), good[second:]), "no [", []string{"a", "b"}},
		"junk last": {append(bytes.Clone(good), 'x'), "no [", []string{"a", "b"}},
		"semicolon": {bytes.Replace(good, registry.AppendUTF16(nil, "a\x00;"), registry.AppendUTF16(nil, "a\x00,"), 1), "no ;", []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry.Collect("", regpol.Decode(bytes.NewReader(tt.data)))
			require.ErrorContains(t, err, tt.msg)
			var left []string
			for got, err := range (regpol.Decoder{Tolerant: true}).Records(tt.data) {
				if err == nil {
					left = append(left, got.Name)
				}
			}
			require.Equal(t, tt.left, left)
		})
	}
	require.Empty(t, slices.Collect(func(yield func(error) bool) {
		for _, err := range regpol.Decode(bytes.NewReader(regpol.AppendHeader(nil))) {
			yield(err)
		}
	}), "a header alone is a valid file")
	_, err := registry.Collect("", regpol.Decode(iotest.ErrReader(os.ErrClosed)))
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = registry.Collect("", regpol.Decoder{MaxBytes: 20}.Decode(bytes.NewReader(good)))
	require.ErrorIs(t, err, regpol.ErrTooBig)
}

func TestEncodeSaysWhatItLeavesOut(t *testing.T) {
	p := registry.HKLM(key)
	for _, e := range []registry.Entry{
		{Op: registry.Set, Path: registry.HKCU(key), Name: "v"}, {Op: registry.Note, Note: "; comment"}, {Op: registry.Note, Path: p, Note: "; comment"},
		{Op: registry.Set, Path: p, Name: "**del.x", Value: registry.DWord(1)}, {Op: registry.Set, Path: p}, {Op: registry.DeleteKey, Path: registry.HKLM("Software")},
		{Op: registry.DeleteKey, Path: p.Join("a;b")}, {Op: registry.Set, Path: p, Name: "a\x00", Value: registry.DWord(1)}, {Path: p},
	} {
		err := regpol.Encode(io.Discard, slices.Values([]registry.Entry{e}))
		loss, ok := errors.AsType[*registry.LossError](err)
		require.True(t, ok, "%v", e)
		require.Equal(t, e, loss.Entry)
	}
}

func TestEncodeDeleteKeyOfOtherFormats(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, regpol.Encode(&b, slices.Values([]registry.Entry{{Op: registry.DeleteKey, Path: registry.HKLM(key)}})))
	for r, err := range (regpol.Decoder{}).Records(b.Bytes()) {
		require.NoError(t, err)
		require.Equal(t, `Software\Policies`, r.Key)
		require.Equal(t, "**DeleteKeys", r.Name)
		require.Equal(t, registry.String("Ashdown").Data, r.Data)
	}
}

// TestEveryRecordIsReported reads files that lead the search for the end of a record astray again and again: each broken record
// is reported once, and the search ends.
func TestEveryRecordIsReported(t *testing.T) {
	var noEnd []byte
	n := 0
	for ; len(noEnd) < 512<<10; n++ {
		r, err := regpol.AppendRecord(nil, rec("v", registry.DWord(1)))
		require.NoError(t, err)
		r = r[:len(r)-6] // without data and bracket
		binary.LittleEndian.PutUint32(r[len(r)-6:], 0xFFFFFFFF)
		noEnd = append(noEnd, r...)
	}
	for _, tt := range []struct {
		data  []byte
		least int
	}{{noEnd, n}, {bytes.Repeat([]byte("]\x00["), 1<<17), 1}, {bytes.Repeat([]byte("[\x00"), 1<<17), 1}} {
		complaints := 0
		for got, err := range (regpol.Decoder{Tolerant: true}).Records(append(regpol.AppendHeader(nil), tt.data...)) {
			require.Error(t, err, "%+v", got)
			complaints++
		}
		require.Equal(t, tt.least, complaints)
	}
}

func TestAllocations(t *testing.T) {
	data := big(1 << 20)
	entries := 0
	allocs := testing.AllocsPerRun(5, func() {
		entries = 0
		for range (regpol.Decoder{}).DecodeBytes(data) {
			entries++
		}
	})
	require.Less(t, allocs, float64(entries), "%d entries", entries)
	t.Logf("%.0f allocations for %d entries", allocs, entries)
}

func ExampleDecoder_DecodeBytes() {
	file := build(&testing.T{}, rec("**delvals.", blank), rec("1", registry.String("https://intranet.ashdown.example")))
	for e, err := range (regpol.Decoder{}).DecodeBytes(file) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Pos, e)
	}
	// Output:
	// record 1 at byte 0x8 clear-values HKLM\Software\Policies\Ashdown
	// record 2 at byte 0x6a set HKLM\Software\Policies\Ashdown 1 REG_SZ "https://intranet.ashdown.example"
}

func FuzzDecode(f *testing.F) {
	f.Add(build(f, rec("a", registry.DWord(1)), rec("**DeleteValues", registry.String("x;y")), rec("**soft.z", registry.String(strings.Repeat("z", 40)))))
	f.Add(build(f, rec("", registry.Value{}), rec("**DeleteKeys", registry.String("k")), rec("**Del.q", blank))[:90])
	f.Fuzz(func(t *testing.T, data []byte) {
		out := regpol.AppendHeader(nil)
		strict := true
		for r, err := range (regpol.Decoder{}).Records(data) {
			if err != nil {
				strict = false
				break
			}
			out, err = regpol.AppendRecord(out, r)
			if err != nil {
				t.Fatal(err)
			}
		}
		// What the strict decoder accepts is encoded to the same bytes; an odd half character cannot occur in names.
		if strict && !bytes.Equal(out, data) {
			t.Fatalf("re-encoded differently:\n% x\n% x", data, out)
		}
		var entries []registry.Entry
		for e := range (regpol.Decoder{Tolerant: true}).DecodeBytes(data) {
			if e.Op != 0 {
				entries = append(entries, e)
			}
		}
		if err := regpol.Encode(io.Discard, slices.Values(entries)); err != nil {
			if _, ok := errors.AsType[*registry.LossError](err); !ok {
				t.Fatal(err)
			}
		}
	})
}
