package comgmt

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// ParseFlags reads a capabilities value in any spelling found on clients, sites and in exports:
//
//	12543                                  decimal, as the control panel and the logs print it
//	0x30FF                                 hexadecimal
//	-2147483647                            signed decimal of an SQL int or bigint
//	dword:000030ff                         a .reg file
//	hex(b):ff,30,00,00,00,00,00,00         a REG_QWORD in a .reg file
//	REG_DWORD 0x30ff, REG_QWORD 0x30ff     reg.exe query, with or without the name before it
//	REG_SZ 12543                           the same value kept as text
//	0x000030ff (12543)                     the registry editor
//
// Hexadecimal digits without 0x are refused where they are not also decimal, since 2111 would be read either way.
// Every error wraps [ErrFlags].
func ParseFlags(s string) (Flags, error) {
	f, err := parseFlags(stripInvisible(s))
	if err != nil {
		return 0, fmt.Errorf("%w: %q: %s", ErrFlags, clip(s), err.Error())
	}
	return f, nil
}

func parseFlags(t string) (Flags, error) {
	if t == "" {
		return 0, fmt.Errorf("empty")
	}
	if rest, ok := cutPrefixFold(t, `"CoManagementFlags"=`); ok {
		t = rest
	}
	// reg.exe prints "    CoManagementFlags    REG_DWORD    0x2007".
	if fields := strings.Fields(t); len(fields) >= 2 && len(fields) <= 3 {
		switch kind := strings.ToUpper(fields[len(fields)-2]); kind {
		case "REG_DWORD", "REG_QWORD", "REG_SZ":
			if len(fields) == 3 && !strings.EqualFold(fields[0], "CoManagementFlags") {
				return 0, fmt.Errorf("the value is called %q, not CoManagementFlags", clip(fields[0]))
			}
			limit := uint64(math.MaxUint64)
			if kind == "REG_DWORD" {
				limit = math.MaxUint32
			}
			return parseNumber(fields[len(fields)-1], limit)
		}
	}
	if rest, ok := cutPrefixFold(t, "dword:"); ok {
		return parseHex(rest, math.MaxUint32)
	}
	if rest, ok := cutPrefixFold(t, "qword:"); ok {
		return parseHex(rest, math.MaxUint64)
	}
	for prefix, width := range map[string]int{"hex(b):": 8, "hex(4):": 4} {
		if rest, ok := cutPrefixFold(t, prefix); ok {
			b, err := hex.DecodeString(strings.ReplaceAll(strings.ReplaceAll(rest, ",", ""), " ", ""))
			if err != nil || len(b) != width {
				return 0, fmt.Errorf("want %d bytes after %s", width, prefix)
			}
			var wide [8]byte
			copy(wide[:], b)
			return Flags(binary.LittleEndian.Uint64(wide[:])), nil
		}
	}
	// The registry editor shows both bases; they have to agree.
	if first, second, ok := strings.Cut(t, "("); ok && strings.HasSuffix(second, ")") {
		a, err := parseNumber(strings.TrimSpace(first), math.MaxUint64)
		if err != nil {
			return 0, err
		}
		b, err := parseNumber(strings.TrimSpace(strings.TrimSuffix(second, ")")), math.MaxUint64)
		if err != nil {
			return 0, err
		}
		if a != b {
			return 0, fmt.Errorf("the two numbers differ")
		}
		return a, nil
	}
	return parseNumber(t, math.MaxUint64)
}

// parseNumber reads 0x…, a decimal, or a negative decimal as the two's complement of 32 or else 64 bits.
func parseNumber(t string, limit uint64) (Flags, error) {
	if rest, ok := cutPrefixFold(t, "0x"); ok {
		return parseHex(rest, limit)
	}
	if strings.HasPrefix(t, "-") {
		n, err := strconv.ParseInt(t, 10, 64)
		if err != nil {
			return 0, numError(t)
		}
		if n >= math.MinInt32 {
			return Flags(uint32(int32(n))), nil
		}
		if limit == math.MaxUint32 {
			return 0, fmt.Errorf("more than 32 bits")
		}
		return Flags(uint64(n)), nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(t, "+"), 10, 64)
	if err != nil {
		return 0, numError(t)
	}
	if n > limit {
		return 0, fmt.Errorf("more than 32 bits")
	}
	return Flags(n), nil
}

func parseHex(t string, limit uint64) (Flags, error) {
	n, err := strconv.ParseUint(t, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("not a hexadecimal number of at most 64 bits")
	}
	if n > limit {
		return 0, fmt.Errorf("more than 32 bits")
	}
	return Flags(n), nil
}

func numError(t string) error {
	if _, err := strconv.ParseUint(t, 16, 64); err == nil && strings.ContainsAny(strings.ToLower(t), "abcdef") {
		return fmt.Errorf("if this is hexadecimal, write 0x%s", clip(t))
	}
	return fmt.Errorf("not a whole number of at most 64 bits")
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// stripInvisible removes surrounding space and the marks that web pages and chats put around numbers (directional
// marks, zero-width spaces, byte order marks: Unicode category Cf). No-break spaces become spaces.
func stripInvisible(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s))
}
