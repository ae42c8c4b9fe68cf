package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
)

func TestTypes(t *testing.T) {
	for _, n := range []registry.Type{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99, 0xFFFFFFFF} {
		back, ok := registry.ParseType(n.String())
		require.True(t, ok, n.String())
		require.Equal(t, n, back)
		text, err := n.MarshalText()
		require.NoError(t, err)
		var u registry.Type
		require.NoError(t, u.UnmarshalText(text))
		require.Equal(t, n, u)
	}
	for in, want := range map[string]registry.Type{"reg_sz": 1, "7": 7, "0x10": 16, "REG_DWORD_LITTLE_ENDIAN": 4, "REG_QWORD_LITTLE_ENDIAN": 11} {
		got, ok := registry.ParseType(in)
		require.True(t, ok, in)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", "REG_", "REG_FOO", "REG_7", "-1", "0x100000000", "SZ"} {
		_, ok := registry.ParseType(bad)
		require.False(t, ok, bad)
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		v    registry.Value
		want string
		err  error
	}{
		{registry.String("a😀"), "a😀", nil}, {registry.ExpandString("%x%"), "%x%", nil}, {registry.String(""), "", nil},
		{registry.Value{Type: registry.TypeLink, Data: []byte{'a', 0}}, "a", nil},
		{registry.Value{Type: registry.TypeSZ}, "", registry.ErrLength},
		{registry.Value{Type: registry.TypeSZ, Data: []byte{'a', 0}}, "a", registry.ErrLength},
		{registry.Value{Type: registry.TypeSZ, Data: []byte{'a', 0, 0}}, "a", registry.ErrLength},
		{registry.Value{Type: registry.TypeSZ, Data: []byte{'a', 0, 0, 0, 'b', 0}}, "a", registry.ErrLength},
		{registry.DWord(1), "", registry.ErrType},
	} {
		got, err := tt.v.Text()
		require.Equal(t, tt.want, got)
		require.ErrorIs(t, err, tt.err)
	}
}

func TestList(t *testing.T) {
	u := func(s string) registry.Value {
		return registry.Value{Type: registry.TypeMultiSZ, Data: registry.AppendUTF16(nil, s)}
	}
	for _, tt := range []struct {
		v    registry.Value
		want []string
		err  error
	}{
		{registry.Strings("a", "b c"), []string{"a", "b c"}, nil}, {registry.Strings(), nil, nil}, {registry.Strings("a", "", "b"), []string{"a", "b"}, nil},
		{u(""), nil, registry.ErrLength}, {u("a"), []string{"a"}, registry.ErrLength}, {u("a\x00"), []string{"a"}, registry.ErrLength},
		{u("a\x00\x00b\x00\x00"), []string{"a"}, registry.ErrLength}, {registry.String("a"), nil, registry.ErrType},
	} {
		got, err := tt.v.List()
		require.Equal(t, tt.want, got, tt.v.String())
		require.ErrorIs(t, err, tt.err, tt.v.String())
	}
}

func TestUint(t *testing.T) {
	for _, tt := range []struct {
		v    registry.Value
		want uint64
		err  error
	}{
		{registry.DWord(0xFFFFFFFE), 0xFFFFFFFE, nil}, {registry.QWord(1 << 63), 1 << 63, nil},
		{registry.Value{Type: registry.TypeDWordBigEndian, Data: []byte{0, 0, 1, 2}}, 258, nil},
		{registry.Value{Type: registry.TypeDWord, Data: []byte{1, 2}}, 0, registry.ErrLength},
		{registry.Value{Type: registry.TypeQWord, Data: []byte{1, 2, 3, 4}}, 0, registry.ErrLength}, {registry.String("1"), 0, registry.ErrType},
	} {
		got, err := tt.v.Uint()
		require.Equal(t, tt.want, got)
		require.ErrorIs(t, err, tt.err)
	}
}

func TestValueString(t *testing.T) {
	for want, v := range map[string]registry.Value{
		`"a\n"`: registry.String("a\n"), `7 (0x7)`: registry.DWord(7), `["a" "b"]`: registry.Strings("a", "b"), `hex:`: {}, `hex:0102`: registry.Binary([]byte{1, 2}),
		`hex:01`: {Type: registry.TypeDWord, Data: []byte{1}}, `hex:6100`: {Type: registry.TypeSZ, Data: []byte{'a', 0}},
	} {
		require.Equal(t, want, v.String())
	}
	require.Contains(t, registry.Binary(make([]byte, 1000)).String(), "1000 bytes")
}
