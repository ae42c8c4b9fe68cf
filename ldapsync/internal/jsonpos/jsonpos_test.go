package jsonpos_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/internal/jsonpos"
)

func TestParse(t *testing.T) {
	text := "{\n  \"a\": [1, true, null],\n  \"b\": {\"c\": \"x\"}\n}"
	n, err := jsonpos.Parse([]byte(text))
	require.NoError(t, err)
	require.Equal(t, jsonpos.Object, n.Kind)
	require.Equal(t, "x", n.Get("b").Get("c").Text)
	require.Nil(t, n.Get("b").Get("d").Get("e"))
	line, col := jsonpos.Position([]byte(text), n.Get("b").Get("c").Offset)
	require.Equal(t, []int{3, 14}, []int{line, col})
	line, col = jsonpos.Position([]byte(text), n.Get("a").Items[1].Offset)
	require.Equal(t, []int{2, 12}, []int{line, col})
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]struct {
		reason string
		offset int
	}{
		"":                          {"empty", 0},
		" \n":                       {"empty", 0},
		`{"a": 1, "a": 2}`:          {"given twice", 9},
		`{"a": 1} x`:                {"more text", 9},
		`{"a": 1`:                   {"ends in the middle", 7},
		`{"a" 1}`:                   {"not JSON", 5},
		"{\"a\": \"\xff\"}":         {"not UTF-8", 7},
		strings.Repeat("[", 100):    {"nested more than 64", 65},
		`{"a": [1, 2}`:              {"not JSON", 11},
		"\x89PNG\r\n\x1a\n\x00\x00": {"not UTF-8", 0},
	} {
		_, err := jsonpos.Parse([]byte(text))
		var e *jsonpos.Error
		require.ErrorAs(t, err, &e, text)
		require.Contains(t, e.Reason, want.reason, text)
		require.Equal(t, want.offset, e.Offset, text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a": [1, true, null, "x"], "b": {"c": -1.5e3}}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := jsonpos.Parse(b)
		if err == nil && !json.Valid(b) {
			t.Fatalf("accepted what is not JSON: %q (%v)", b, n)
		}
	})
}
