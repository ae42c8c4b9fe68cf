package text_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt/internal/text"
)

func encode(s string, big bool) []byte {
	out := []byte{0xFF, 0xFE}
	if big {
		out = []byte{0xFE, 0xFF}
	}
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

func TestNewReader(t *testing.T) {
	const s = "Ashdown Väle 🌲\r\nπ"
	for name, in := range map[string][]byte{"plain": []byte(s), "mark": []byte("\ufeff" + s), "utf-16le": encode(s, false), "utf-16be": encode(s, true)} {
		for _, r := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in)), iotest.DataErrReader(bytes.NewReader(in))} {
			got, err := io.ReadAll(text.NewReader(r))
			require.NoError(t, err, name)
			require.Equal(t, s, string(got), name)
		}
	}
	long := strings.Repeat("väle ", 100_000)
	got, err := io.ReadAll(text.NewReader(bytes.NewReader(encode(long, true))))
	require.NoError(t, err)
	require.Equal(t, long, string(got))
	for in, want := range map[string]string{
		"": "", "\xff\xfe": "", "\xff\xfea": "\ufffd", "\xff\xfe\x00\xd8": "\ufffd", "\xff\xfe\x00\xd8a\x00": "\ufffda", "\xff\xfe\x00\xdc": "\ufffd", "\xfea": "\xfea", "\xef\xbb": "\xef\xbb",
	} {
		got, err := io.ReadAll(text.NewReader(strings.NewReader(in)))
		require.NoError(t, err)
		require.Equal(t, want, string(got), "%q", in)
	}
	broken := errors.New("disk")
	_, err = io.ReadAll(text.NewReader(io.MultiReader(strings.NewReader("\xff\xfea\x00"), iotest.ErrReader(broken))))
	require.ErrorIs(t, err, broken)
}

func FuzzNewReader(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00"))
	f.Add([]byte("\xfe\xff\xd8\x00\xdc\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := io.ReadAll(text.NewReader(bytes.NewReader(in)))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(in, []byte{0xFF, 0xFE}) && !utf8.Valid(got) {
			t.Fatalf("%q", got)
		}
	})
}
