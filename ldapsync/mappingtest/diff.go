package mappingtest

import (
	"slices"
	"strings"
)

// Diff compares two want sections line by line, without regard to blank lines, comments and runs of blanks
// outside quotes. It returns "" if they say the same, else the lines that differ: "- " what want has, "+ " what
// got has, "  " what both have.
func Diff(want, got string) string {
	a, b := lines(want), lines(got)
	if slices.Equal(a, b) {
		return ""
	}
	// The longest common subsequence: sections have some dozens of lines.
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out.WriteString("  " + a[i] + "\n")
			i++
			j++
		case j == len(b) || i < len(a) && table[i+1][j] >= table[i][j+1]:
			out.WriteString("- " + a[i] + "\n")
			i++
		default:
			out.WriteString("+ " + b[j] + "\n")
			j++
		}
	}
	return out.String()
}

// maxDiffLines bounds the table of Diff.
const maxDiffLines = 2000

func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = normalise(l); l != "" && len(out) < maxDiffLines {
			out = append(out, l)
		}
	}
	return out
}

// normalise drops a comment and makes runs of blanks one, outside quotes. In the text of an error "#" is no
// comment, so that errors can hold any text.
func normalise(l string) string {
	l = strings.TrimSpace(l)
	if _, rest, ok := strings.Cut(l, ":"); ok && strings.HasPrefix(strings.TrimSpace(rest), "error ") {
		return strings.Join(strings.Fields(l), " ")
	}
	var b strings.Builder
	quoted, blank := false, false
	for i := 0; i < len(l); i++ {
		c := l[i]
		switch {
		case quoted && c == '\\' && i+1 < len(l):
			b.WriteByte(c)
			i++
			c = l[i]
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '#':
			return strings.TrimSpace(b.String())
		case c == ' ' || c == '\t':
			if blank {
				continue
			}
			c = ' '
		}
		blank = !quoted && c == ' '
		b.WriteByte(c)
	}
	return strings.TrimSpace(b.String())
}
