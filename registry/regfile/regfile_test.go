package regfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
	"go.internal/hybridkit/registry/regfile"
	"go.internal/hybridkit/registry/registrytest"
)

// hard is everything that is hard to write.
func hard() []registry.Entry {
	p := registry.HKLM(`SOFTWARE\Ashdown Vale\[x]`)
	list := []registry.Entry{{Op: registry.Note, Note: "; made by hand"}, {Op: registry.DeleteKey, Path: p}, {Op: registry.CreateKey, Path: p}}
	set := func(name string, v registry.Value) {
		list = append(list, registry.Entry{Op: registry.Set, Path: p, Name: name, Value: v})
	}
	set("", registry.String("the default"))
	set(`quote " and \ backslash`, registry.String(`C:\x "y"`))
	set("ümläut 😀", registry.String("日本 € 😀"))
	set("lone \xED\xA0\x80", registry.Value{Type: registry.TypeSZ, Data: []byte{0, 0xD8, 0, 0}})
	set("line\nbreak", registry.String("a\r\nb"))
	set("no NUL", registry.Value{Type: registry.TypeSZ, Data: []byte{'a', 0}})
	set("two NULs", registry.Value{Type: registry.TypeSZ, Data: []byte{'a', 0, 0, 0, 0, 0}})
	set("odd", registry.Value{Type: registry.TypeExpandSZ, Data: []byte{'a', 0, 'b'}})
	set("empty", registry.Value{Type: registry.TypeSZ})
	set("dword", registry.DWord(0xFFFFFFFE))
	set("short dword", registry.Value{Type: registry.TypeDWord, Data: []byte{1, 2}})
	set("qword", registry.QWord(1<<63))
	set("list", registry.Strings("a", "b c", "ü"))
	set("none", registry.Value{})
	set("big type", registry.Value{Type: 0xFFFFFFFF, Data: []byte{1}})
	for _, n := range []int{0, 1, 19, 20, 21, 22, 24, 25, 26, 27, 100, 1000} {
		set(fmt.Sprintf("binary %d", n), registry.Binary(bytes.Repeat([]byte{0xA5}, n)))
	}
	set(strings.Repeat("long name ", 30), registry.Binary([]byte{1, 2, 3}))
	return append(list, registry.Entry{Op: registry.DeleteValue, Path: p, Name: "gone", Note: "; why"},
		registry.Entry{Op: registry.Note}, registry.Entry{Op: registry.Note, Note: "; the end"})
}

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, regfile.Encode(&b, slices.Values(hard())))
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(b.Bytes()), "byte by byte": iotest.OneByteReader(bytes.NewReader(b.Bytes()))} {
		t.Run(name, func(t *testing.T) {
			var got []registry.Entry
			for e, err := range (regfile.Decoder{Exact: true}).Decode(r) {
				require.NoError(t, err)
				got = append(got, e)
			}
			require.Equal(t, strip(hard()), strip(got))
		})
	}
	var again bytes.Buffer
	require.NoError(t, regfile.Encode(&again, slices.Values(hard())))
	require.Equal(t, b.Bytes(), again.Bytes())
}

// TestGolden pins the bytes: header, blank lines, folding, spelling.
func TestGolden(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, regfile.Encode(&b, slices.Values(hard())))
	registrytest.Golden(t, "testdata/hard.reg", b.Bytes())
	for line := range strings.SplitSeq(registry.FromUTF16(b.Bytes()), "\r\n") {
		if strings.HasPrefix(line, "  ") {
			require.LessOrEqual(t, len(line), 78, "folded as Windows does it")
		}
	}
}

func TestEncodings(t *testing.T) {
	text := "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\A]\r\n\"ü\"=\"€😀\"\r\n\"h\"=hex(2):25,00,00,00\r\n\r\n"
	want := registrytest.Map{`HKLM\A`: {"ü": registry.String("€😀"), "h": registry.ExpandString("%")}}.Snapshot(t)
	le := registry.AppendUTF16(nil, text)
	be := bytes.Clone(le)
	for i := 0; i < len(be); i += 2 {
		be[i], be[i+1] = be[i+1], be[i]
	}
	for _, tt := range []struct {
		data    []byte
		enc     regfile.Encoding
		refused bool
		page    codepage.Page
	}{
		{append([]byte("\xFF\xFE"), le...), regfile.UTF16LE, false, nil},
		{le, regfile.UTF16LENoBOM, true, nil},
		{append([]byte("\xFE\xFF"), be...), regfile.UTF16BE, true, nil},
		{[]byte("\xEF\xBB\xBF" + text), regfile.UTF8BOM, true, nil},
		{[]byte(text), regfile.ANSI, false, codepage.UTF8()},
	} {
		t.Run(tt.enc.String(), func(t *testing.T) {
			info, seq := regfile.Decoder{Tolerant: true, CodePage: tt.page}.Open(iotest.HalfReader(bytes.NewReader(tt.data)))
			require.Equal(t, tt.enc, info.Encoding)
			snap, err := registry.Collect("", seq)
			require.Equal(t, tt.refused, errors.Is(err, regfile.ErrEncoding))
			registrytest.Equal(t, want, snap)
			_, err = registry.Collect("", regfile.Decode(bytes.NewReader(tt.data)))
			require.Equal(t, tt.refused, err != nil)
		})
	}
}

func TestVersion4(t *testing.T) {
	p := registry.HKLM("A")
	entries := []registry.Entry{
		{Op: registry.CreateKey, Path: p},
		{Op: registry.Set, Path: p, Name: "grün", Value: registry.String("€")},
		{Op: registry.Set, Path: p, Name: "x", Value: registry.ExpandString("%é%")},
		{Op: registry.Set, Path: p, Name: "m", Value: registry.Strings("é", "b")},
	}
	var b bytes.Buffer
	require.NoError(t, regfile.Encoder{Version: regfile.Version4}.Encode(&b, slices.Values(entries)))
	require.Equal(t, "REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\A]\r\n\"gr\xFCn\"=\"\x80\"\r\n\"x\"=hex(2):25,e9,25,00\r\n\"m\"=hex(7):e9,00,62,00,00\r\n\r\n", b.String())
	info, seq := regfile.Decoder{}.Open(&b)
	require.Equal(t, regfile.Info{Version: regfile.Version4, Encoding: regfile.ANSI, CodePage: "windows-1252"}, info)
	var got []registry.Entry
	for e, err := range seq {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Equal(t, strip(entries), strip(got))
	err := regfile.Encoder{Version: regfile.Version4}.Encode(io.Discard, slices.Values([]registry.Entry{{Op: registry.Set, Path: p, Name: "日本", Value: registry.DWord(1)}}))
	loss, ok := errors.AsType[*registry.LossError](err)
	require.True(t, ok)
	require.Contains(t, loss.Why, "windows-1252")
	require.Error(t, regfile.Encoder{Version: regfile.Version31}.Encode(io.Discard, slices.Values(entries)))
}

func TestEncodeSaysWhatItLeavesOut(t *testing.T) {
	p := registry.HKLM("A")
	for _, e := range []registry.Entry{
		{Op: registry.SetIfAbsent, Path: p}, {Op: registry.ClearValues, Path: p}, {Op: registry.SecureKey, Path: p}, {Op: registry.Note, Path: p, Note: "**x"}, {},
		{Op: registry.Set, Path: registry.Path{Key: "A"}}, {Op: registry.Set, Path: p, Name: "a\x00b"}, {Op: registry.CreateKey, Path: registry.HKLM("a\nb")},
	} {
		var b bytes.Buffer
		err := regfile.Encode(&b, slices.Values([]registry.Entry{e, {Op: registry.CreateKey, Path: p}}))
		loss, ok := errors.AsType[*registry.LossError](err)
		require.True(t, ok, "%v", e)
		require.Equal(t, e, loss.Entry)
		require.Contains(t, registry.FromUTF16(b.Bytes()), `[HKEY_LOCAL_MACHINE\A]`, "the rest is written")
	}
}

func TestErrorsSayWhere(t *testing.T) {
	text := "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\A]\n\"x\"=dword:1\n\"y\"=dword:g\n"
	var last error
	for _, err := range regfile.Decode(bytes.NewReader(registry.AppendUTF16([]byte("\xFF\xFE"), text))) {
		last = err
	}
	se, ok := errors.AsType[*registry.SyntaxError](last)
	require.True(t, ok)
	require.Equal(t, registry.Pos{Line: 5, Offset: int64(2 + 2*strings.Index(text, `"y"`))}, se.Pos)
	require.Equal(t, "value", se.Field)

	for range 2 { // the error of the reader comes through, after what was read before
		var errs []error
		for _, err := range regfile.Decode(io.MultiReader(strings.NewReader("REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\A]\n"), iotest.ErrReader(os.ErrClosed))) {
			errs = append(errs, err)
		}
		require.Equal(t, []error{nil, os.ErrClosed}, errs)
	}
	_, err := registry.Collect("", regfile.Decode(iotest.ErrReader(os.ErrClosed)))
	require.ErrorIs(t, err, os.ErrClosed)

	seq := regfile.Decode(strings.NewReader("REGEDIT4\n"))
	for range seq {
	}
	_, err = registry.Collect("", seq)
	require.ErrorContains(t, err, "already used")
}

func TestLimit(t *testing.T) {
	long := "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\A]\n\"x\"=hex:" + strings.Repeat("00,\\\n", 100) + "01\n\"y\"=\"" + strings.Repeat("y", 200) + "\"\n\"z\"=\"1\"\n"
	snap, err := registry.Collect("", regfile.Decoder{Tolerant: true, MaxValue: 64}.Decode(strings.NewReader(long)))
	require.ErrorIs(t, err, regfile.ErrTooLong)
	_, ok := snap.Get(registry.HKLM("A"), "z")
	require.True(t, ok)
	_, ok = snap.Get(registry.HKLM("A"), "y")
	require.False(t, ok)
}

// endless repeats one block of values without end up to n bytes.
type endless struct {
	block []byte
	n     int
	at    int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	k := copy(b, e.block[e.at:])
	e.at = (e.at + k) % len(e.block)
	e.n -= k
	return k, nil
}

func TestMemoryIsConstant(t *testing.T) {
	head := registry.AppendUTF16([]byte("\xFF\xFE"), "Windows Registry Editor Version 5.00\r\n\r\n")
	block := registry.AppendUTF16(nil, "[HKEY_LOCAL_MACHINE\\A]\r\n\"x\"=\"y\"\r\n\"h\"=hex:01,02,\\\r\n  03\r\n\r\n")
	peak := func(n int) uint64 {
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		most, i := uint64(0), 0
		for _, err := range regfile.Decode(io.MultiReader(bytes.NewReader(head), &endless{block: block, n: n / len(block) * len(block)})) {
			require.NoError(t, err)
			if i++; i%50000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
			}
		}
		return most
	}
	require.Less(t, peak(12<<20), uint64(1<<20), "bytes of live heap while reading 12 MB")
}

func ExampleDecode() {
	file := strings.NewReader("REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters]\r\n\"MaxFieldLength\"=dword:00065534\r\n")
	for e, err := range regfile.Decode(file) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if e.Op == registry.Set {
			fmt.Println(e.Pos, e.Name, e.Value)
		}
	}
	// Output: line 4 MaxFieldLength 415028 (0x65534)
}

func ExampleEncode() {
	changes := registry.Delta{
		{Op: registry.Set, Path: registry.HKLM(`SOFTWARE\Ashdown`), Name: "Mode", Value: registry.DWord(7)},
		{Op: registry.DeleteValue, Path: registry.HKLM(`SOFTWARE\Ashdown`), Name: "Old"},
	}
	var b bytes.Buffer
	if err := (regfile.Encoder{Version: regfile.Version4}).Encode(&b, slices.Values(changes)); err != nil {
		fmt.Println(err)
	}
	fmt.Print(strings.ReplaceAll(b.String(), "\r", ""))
	// Output:
	// REGEDIT4
	//
	// [HKEY_LOCAL_MACHINE\SOFTWARE\Ashdown]
	// "Mode"=dword:00000007
	// "Old"=-
}

// FuzzDecode: no panic, and what the strict decoder accepts survives encoding and decoding.
func FuzzDecode(f *testing.F) {
	// Seeds are short: minimising what grows from a long one takes longer than finding it.
	for i := 3; i+3 <= 18; i += 3 {
		var b bytes.Buffer
		require.NoError(f, regfile.Encode(&b, slices.Values(hard()[i:i+3])))
		f.Add(b.Bytes())
	}
	f.Add([]byte("REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\A] ; c\n#x\n\"\xE9\"=hex(7):e9,\\\n\n;c\n00,00 ; d\n@=-\n[-HKCU\\x]\n"))
	f.Add([]byte("REGEDIT\nHKEY_CLASSES_ROOT\\a = b\n"))
	f.Add([]byte("\xFE\xFF\x00W\xD8"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var list []registry.Entry
		info, seq := regfile.Decoder{Tolerant: true, Exact: true}.Open(bytes.NewReader(data))
		for e, err := range seq {
			if _, ok := errors.AsType[*registry.SyntaxError](err); err != nil && !ok {
				t.Fatal(err)
			}
			if e.Op != 0 {
				list = append(list, e)
			}
		}
		var out bytes.Buffer
		err := regfile.Encode(&out, slices.Values(list))
		if err != nil { // names with a NUL or line break cannot be written
			if _, ok := errors.AsType[*registry.LossError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		if info.Version == regfile.Version31 { // has no key headers
			return
		}
		var again []registry.Entry
		for e, err := range (regfile.Decoder{Exact: true}).Decode(&out) {
			if err != nil {
				t.Fatalf("%v\n%q", err, registry.FromUTF16(out.Bytes()))
			}
			again = append(again, e)
		}
		require.Equal(t, effects(list), effects(again))
	})
}

// effects drops notes and positions.
func effects(list []registry.Entry) []registry.Entry {
	var out []registry.Entry
	for _, e := range strip(list) {
		if e.Note = ""; e.Op != registry.Note {
			out = append(out, e)
		}
	}
	return out
}
