package ldapdir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A valueRange is what stands behind ;range= ([MS-ADTS] section 3.1.1.3.1.3.3).
type valueRange struct {
	low, high int
	last      bool // high is *: these are the last values
}

// maxRangeIndex bounds the indexes of a range: far more values than an attribute can have.
const maxRangeIndex = 1 << 30

// splitName takes the options off an attribute description that do not make it another attribute: ;binary
// (RFC 4522) and ;range=. Others, such as ;lang-de, stay. ranged is nil without a range.
func splitName(description string) (name string, ranged *valueRange, err error) {
	name, options, ok := strings.Cut(description, ";")
	if !ok {
		return name, nil, nil
	}
	for option := range strings.SplitSeq(options, ";") {
		key, value, _ := strings.Cut(option, "=")
		switch {
		case strings.EqualFold(option, "binary"):
		case strings.EqualFold(key, "range"):
			if ranged != nil {
				return "", nil, fmt.Errorf("%q has two ranges", description)
			}
			if ranged, err = parseRange(value); err != nil {
				return "", nil, fmt.Errorf("%q: %w", description, err)
			}
		default:
			name += ";" + option
		}
	}
	return name, ranged, nil
}

func parseRange(s string) (*valueRange, error) {
	lowText, highText, ok := strings.Cut(s, "-")
	low, err := rangeIndex(lowText)
	if !ok || err != nil {
		return nil, errors.New("a range is two numbers joined by -, or a number and -*")
	}
	if highText == "*" {
		return &valueRange{low: low, last: true}, nil
	}
	high, err := rangeIndex(highText)
	if err != nil || high < low {
		return nil, errors.New("a range is two numbers joined by -, or a number and -*")
	}
	return &valueRange{low: low, high: high}, nil
}

func rangeIndex(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n > maxRangeIndex || s == "" || s[0] == '+' {
		return 0, errors.New("not an index")
	}
	return int(n), nil
}

// more is an attribute of which only the first values came.
type more struct {
	name string // without options
	next int    // the index to go on from
}

// maxRanges bounds the requests for one attribute: at least one value comes with each.
const maxRanges = 100_000

// rest fetches the values from m.next to the end.
func (d *Dir) rest(ctx context.Context, c *conn, base string, m more, values []string) ([]string, error) {
	values = slices.Clip(values)
	for range maxRanges {
		ask := m.name + ";range=" + strconv.Itoa(m.next) + "-*"
		e, err := d.one(ctx, c, request{base: base, attrs: []string{ask}}, base)
		if err != nil {
			return nil, err
		}
		done, found := false, false
		err = e.each(func(description, set string) error {
			name, r, err := splitName(description)
			if err != nil || !sameName(name, m.name) || set == "" {
				return err // an empty set stands beside the one with the values
			}
			before := len(values)
			if values, err = appendValues(values, set); err != nil {
				return err
			}
			found = true
			switch {
			case r == nil && m.next == 0, r != nil && r.last && r.low == m.next:
				done = true
			case r == nil || r.low != m.next || r.high-r.low+1 != len(values)-before:
				return fmt.Errorf("asked for %s and got %s with %d values", ask, description, len(values)-before)
			default:
				m.next = r.high + 1
			}
			return nil
		})
		switch {
		case err != nil:
			return nil, lost("search", d.ep.name, base, err)
		case !found:
			// The values went away meanwhile, or the server does not go on. Neither is the whole attribute.
			return nil, lost("search", d.ep.name, base, fmt.Errorf("asked for %s and got nothing", ask))
		case done:
			return values, nil
		}
	}
	return nil, lost("search", d.ep.name, base, fmt.Errorf("more than %d ranges of %s", maxRanges, m.name))
}
