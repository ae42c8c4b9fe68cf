package regconv_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regconv"
	"go.internal/hybridkit/registry/registrytest"
)

// common is what every format can hold.
func common() registrytest.Map {
	return registrytest.Map{
		`HKLM\SOFTWARE\Ashdown`: {
			"Text": registry.String("some text"), "Path": registry.ExpandString(`%SystemRoot%\x`), "Number": registry.DWord(65534),
			"Bytes": registry.Binary([]byte{1, 0xFF}), "List": registry.Strings("a", "b c"),
		},
		`HKLM\SOFTWARE\Ashdown\Sub`: {"Other": registry.String("ü")},
	}
}

func encode(t testing.TB, f regconv.Format, snap *registry.Snapshot) []byte {
	var b bytes.Buffer
	require.NoError(t, regconv.Encode(&b, f, snap.Entries()))
	return b.Bytes()
}

func writable() []regconv.Format {
	return slices.DeleteFunc(regconv.Formats(), func(f regconv.Format) bool { return f == regconv.Hive })
}

// TestAnyToAny converts between every two formats and compares what comes out.
func TestAnyToAny(t *testing.T) {
	want := common().Snapshot(t)
	for _, from := range writable() {
		for _, to := range writable() {
			t.Run(string(from)+"-"+string(to), func(t *testing.T) {
				var b bytes.Buffer
				met, err := regconv.Convert(&b, to, bytes.NewReader(encode(t, from, want)), regconv.Options{})
				require.NoError(t, err)
				if from != regconv.Reg4 {
					require.Equal(t, from, met)
				}
				_, seq, err := regconv.Decode(&b, regconv.Options{})
				require.NoError(t, err)
				registrytest.Equal(t, want, registrytest.Collect(t, seq))
			})
		}
	}
}

func TestLossesAreNamed(t *testing.T) {
	reg := encode(t, regconv.Reg, registrytest.Map{`HKCU\Software\A`: {"q": registry.QWord(7), "odd": {Type: registry.TypeDWord, Data: []byte{1}}}}.Snapshot(t))
	reg = append(reg, registry.AppendUTF16(nil, "[-HKEY_CURRENT_USER\\Software\\B]\r\n")...)
	for _, to := range []regconv.Format{regconv.Query, regconv.Inf} {
		var b bytes.Buffer
		_, err := regconv.Convert(&b, to, bytes.NewReader(reg), regconv.Options{})
		loss, ok := errors.AsType[*registry.LossError](err)
		require.True(t, ok, "%s: %v", to, err)
		require.NotEmpty(t, loss.Why)
	}
	var b bytes.Buffer
	_, err := regconv.Convert(&b, regconv.Pol, bytes.NewReader(reg), regconv.Options{})
	require.NoError(t, err, "a file about the user becomes a policy file about the user")
	_, seq, err := regconv.Decode(&b, regconv.Options{Name: `{…}\User\Registry.pol`})
	require.NoError(t, err)
	_, ok := registrytest.Collect(t, seq).Get(registry.HKCU(`Software\A`), "q")
	require.True(t, ok)
}

func TestStrictWritesNothing(t *testing.T) {
	bad := "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\A]\n\"x\"=dword:1\n\"y\"=dword:g\n"
	var b bytes.Buffer
	from, err := regconv.Convert(&b, regconv.JSON, strings.NewReader(bad), regconv.Options{})
	require.Equal(t, regconv.Reg, from)
	require.ErrorContains(t, err, "line 5")
	require.Zero(t, b.Len())
	_, err = regconv.Convert(&b, regconv.JSON, strings.NewReader(bad), regconv.Options{Tolerant: true})
	require.ErrorContains(t, err, "line 5")
	require.Equal(t, 1, strings.Count(b.String(), "\n"))
}

func TestDetect(t *testing.T) {
	snap := common().Snapshot(t)
	for _, f := range writable() {
		got, ok := regconv.Detect(encode(t, f, snap), "")
		require.True(t, ok, f)
		require.Equal(t, strings.TrimSuffix(string(f), "4"), string(got))
	}
	for data, want := range map[string]regconv.Format{
		"regf": regconv.Hive, "PReg": regconv.Pol, "REGEDIT5": regconv.Reg, "\xFE\xFF\x00R\x00E\x00G\x00E\x00D\x00I\x00T\x004": regconv.Reg, "R\x00E\x00G\x00E\x00D\x00I\x00T\x004\x00": regconv.Reg,
		"\r\nHKEY_LOCAL_MACHINE\\A": regconv.Query, " [ {": regconv.JSON, "[[]]": regconv.JSON, "\xEF\xBB\xBF{": regconv.JSON, "[Unicode]\r\nUnicode=yes\r\n": regconv.Inf,
		"<?xml version=\"1.0\"?>\n<RegistrySettings clsid=\"x\">": regconv.GPP,
	} {
		got, ok := regconv.Detect([]byte(data), "")
		require.True(t, ok, "%q", data)
		require.Equal(t, want, got, "%q", data)
	}
	for _, data := range []string{"", "\x89PNG\r\n\x1a\n", "hello", "<html>", "%PDF-1.7", "\x00\x00"} {
		_, ok := regconv.Detect([]byte(data), "x.txt")
		require.False(t, ok, "%q", data)
	}
	for name, want := range map[string]regconv.Format{"a.REG": regconv.Reg, `C:\x\registry.pol`: regconv.Pol, "dir/SYSTEM": regconv.Hive, "Registry.xml": regconv.GPP} {
		got, ok := regconv.Detect([]byte("?"), name)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
}

func TestHiveByName(t *testing.T) {
	for name, want := range map[string]string{
		"SOFTWARE": `HKLM\SOFTWARE`, `C:\Windows\System32\config\SYSTEM`: `HKLM\SYSTEM`, "backup-software_2.hiv": `HKLM\SOFTWARE`, "NTUSER.DAT": "HKCU", "x.hiv": "", "system-SOFTWARE.hiv": "",
	} {
		require.Equal(t, want, regconv.MountByName(name).Short(), name)
	}
}

func TestErrors(t *testing.T) {
	_, _, err := regconv.Decode(strings.NewReader(""), regconv.Options{})
	require.ErrorIs(t, err, regconv.ErrFormat)
	require.ErrorContains(t, err, "empty")
	_, _, err = regconv.Decode(strings.NewReader("?"), regconv.Options{})
	require.ErrorIs(t, err, regconv.ErrFormat)
	_, _, err = regconv.Decode(strings.NewReader("REGEDIT4"), regconv.Options{Format: "x"})
	require.ErrorIs(t, err, regconv.ErrFormat)
	none := func(func(registry.Entry) bool) {}
	require.ErrorIs(t, regconv.Encode(io.Discard, regconv.Hive, none), regconv.ErrFormat)
	require.ErrorIs(t, regconv.Encode(io.Discard, "x", none), regconv.ErrFormat)
}

// TestCorpus detects every real file for what it is.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS names no folder with real samples")
	}
	n := 0
	for pattern, want := range map[string]regconv.Format{
		"reg/*.reg": regconv.Reg, "hive/*.hiv": regconv.Hive, "pol/nsa-*.pol": regconv.Pol, "pol/made-*.pol": regconv.Pol, "query/wine-query-*.txt": regconv.Query,
		"gpp/*.xml": regconv.GPP, "gpo/*.inf": regconv.Inf,
	} {
		files, err := filepath.Glob(filepath.Join(dir, "registry", pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, name := range files {
			if strings.Contains(name, "missing") { // an error message
				continue
			}
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			got, ok := regconv.Detect(data[:min(len(data), 4096)], "unnamed")
			require.True(t, ok, name)
			require.Equal(t, want, got, name)
			n++
		}
	}
	t.Logf("%d files detected", n)
}

func ExampleConvert() {
	var out strings.Builder
	in := strings.NewReader("REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Ashdown]\r\n\"Mode\"=dword:00000007\r\n")
	from, err := regconv.Convert(&out, regconv.Query, in, regconv.Options{})
	fmt.Println(from, err)
	fmt.Println(strings.TrimSpace(strings.ReplaceAll(out.String(), "\r", "")))
	// Output:
	// reg <nil>
	// HKEY_LOCAL_MACHINE\SOFTWARE\Ashdown
	//     Mode    REG_DWORD    0x7
}

// FuzzConvert reads anything as any format and writes it as every other.
func FuzzConvert(f *testing.F) {
	snap := registrytest.Map{`HKLM\SOFTWARE\A`: {"x": registry.DWord(1), "y": registry.String("z")}}.Snapshot(f)
	for i, format := range writable() {
		f.Add(encode(f, format, snap), uint8(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, to uint8) {
		target := writable()[int(to)%len(writable())]
		var first, second bytes.Buffer
		if _, err := regconv.Convert(&first, target, bytes.NewReader(data), regconv.Options{Tolerant: true}); err != nil {
			return
		}
		if first.Len() == 0 { // JSON without a value
			return
		}
		// What was written without complaint is read without complaint.
		if _, err := regconv.Convert(&second, target, bytes.NewReader(first.Bytes()), regconv.Options{Format: target}); err != nil && target != regconv.Query {
			t.Fatalf("%s: %v\n%q", target, err, first.String())
		}
	})
}
