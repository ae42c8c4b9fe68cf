package ber_test

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"strings"
	"testing"

	asn1 "github.com/go-asn1-ber/asn1-ber"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

func TestIntRoundTrip(t *testing.T) {
	for _, v := range []int64{0, 1, 127, 128, 255, 256, 32767, 32768, 1 << 31, math.MaxInt64, -1, -128, -129, math.MinInt64} {
		var b ber.Builder
		b.Int(ber.Integer, v)
		c := ber.NewCursor(b.B)
		got, err := c.Int(ber.Integer)
		require.NoError(t, err)
		require.Equal(t, v, got)
		p, err := asn1.DecodePacketErr(b.B)
		require.NoError(t, err)
		require.Equal(t, v, p.Value, "the other codec reads the same number")
	}
}

func TestBuilderAgainstOtherCodec(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536} {
		var b ber.Builder
		m := b.Begin(ber.Sequence)
		b.Str(ber.OctetString, strings.Repeat("x", n))
		b.Bool(ber.Boolean, true)
		b.End(m)
		p, err := asn1.DecodePacketErr(b.B)
		require.NoError(t, err)
		require.Len(t, p.Children, 2)
		require.Len(t, p.Children[0].Value, n)
		require.Equal(t, true, p.Children[1].Value)

		body, err := ber.ReadMessage(bufio.NewReader(bytes.NewReader(b.B)), 1<<20)
		require.NoError(t, err)
		c := ber.NewCursor(body)
		s, err := c.Str(ber.OctetString)
		require.NoError(t, err)
		require.Len(t, s, n)
		v, err := c.Bool(ber.Boolean)
		require.NoError(t, err)
		require.True(t, v)
		require.True(t, c.Empty())
	}
}

func TestReadMessageRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want string
	}{
		"not a sequence":     {"\x04\x01x", "tag 0x04"},
		"indefinite length":  {"\x30\x80\x00\x00", "length of 0 bytes"},
		"length of 5 bytes":  {"\x30\x85\x00\x00\x00\x00\x01x", "length of 5 bytes"},
		"larger than limit":  {"\x30\x84\x7f\xff\xff\xff", "larger than the limit"},
		"cut in the length":  {"\x30\x82\x01", "unexpected EOF"},
		"cut in the content": {"\x30\x05abc", "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ber.ReadMessage(bufio.NewReader(strings.NewReader(tc.in)), 1000)
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := ber.ReadMessage(bufio.NewReader(strings.NewReader("")), 1000)
	require.ErrorIs(t, err, io.EOF)
}

func FuzzReadMessage(f *testing.F) {
	f.Add([]byte("\x30\x03\x02\x01\x05"))
	f.Add([]byte("\x30\x84\x00\x00\x00\x05\x04\x03abc"))
	f.Add([]byte("\x30\x80"))
	f.Fuzz(func(t *testing.T, in []byte) {
		body, err := ber.ReadMessage(bufio.NewReader(bytes.NewReader(in)), 1<<16)
		if err != nil {
			return
		}
		var walk func(c ber.Cursor, depth int)
		walk = func(c ber.Cursor, depth int) {
			for !c.Empty() {
				tag, content, err := c.Next()
				if err != nil {
					return
				}
				if tag&0x20 != 0 && depth < 50 {
					walk(ber.NewCursor(content), depth+1)
				}
			}
		}
		walk(ber.NewCursor(body), 0)
	})
}
