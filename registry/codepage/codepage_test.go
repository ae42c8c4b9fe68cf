package codepage_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry/codepage"
)

func pages() map[string]codepage.Page {
	return map[string]codepage.Page{
		"windows-1250": codepage.Windows1250(), "windows-1251": codepage.Windows1251(), "windows-1252": codepage.Windows1252(),
		"oem437": codepage.OEM437(), "oem850": codepage.OEM850(),
	}
}

// TestEveryByteComesBack: a page must not lose a byte, or a REGEDIT4 file would not survive.
func TestEveryByteComesBack(t *testing.T) {
	for name, p := range pages() {
		require.Equal(t, name, p.Name())
		seen := map[string]int{}
		for i := range 256 {
			text := string(p.Append(nil, []byte{byte(i)}))
			prev, twice := seen[text]
			require.False(t, twice, "%s: %#x and %#x are both %q", name, prev, i, text)
			seen[text] = i
			back, ok := p.Encode(nil, text)
			require.True(t, ok)
			require.Equal(t, []byte{byte(i)}, back)
			if i < 128 {
				require.Equal(t, string(rune(i)), text)
			}
		}
		out, ok := p.Encode([]byte("kept"), "日")
		require.False(t, ok)
		require.Equal(t, "kept", string(out))
	}
}

func TestKnownCharacters(t *testing.T) {
	for _, tt := range []struct {
		page codepage.Page
		in   string
		want string
	}{
		{codepage.Windows1252(), "\x80\x85\xE9\xFF", "€…éÿ"}, {codepage.Windows1252(), "\x81", "\u0081"}, {codepage.Windows1250(), "\xB3\xBF", "łż"},
		{codepage.Windows1251(), "\xC0\xFF", "Ая"}, {codepage.OEM437(), "\x81\xE1", "üß"}, {codepage.OEM850(), "\x9B\xD5", "øı"},
		{codepage.UTF8(), "gr\xC3\xBCn \xE9", "grün é"},
	} {
		require.Equal(t, tt.want, string(tt.page.Append(nil, []byte(tt.in))))
	}
}

func TestByName(t *testing.T) {
	for name, want := range map[string]string{"1252": "windows-1252", "cp850": "oem850", "oem437": "oem437", "utf-8": "utf-8", "65001": "utf-8"} {
		p, ok := codepage.ByName(name)
		require.True(t, ok)
		require.Equal(t, want, p.Name())
	}
	_, ok := codepage.ByName("932")
	require.False(t, ok)
	_, ok = codepage.UTF8().Encode(nil, "\xED\xA0\x80")
	require.False(t, ok)
	b, ok := codepage.UTF8().Encode(nil, "ü")
	require.True(t, ok)
	require.Equal(t, "ü", string(b))
}

func ExamplePage() {
	fmt.Printf("%s\n", codepage.OEM850().Append(nil, []byte("gr\x81n")))
	// Output: grün
}
