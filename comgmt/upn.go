package comgmt

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/comgmt/internal/text"
)

// A SuffixCount is how many users have a UPN suffix.
type SuffixCount struct {
	Suffix   string   `json:"suffix"` // lower case; "" for users without a usable UPN
	Users    int      `json:"users"`
	Examples []string `json:"examples,omitempty"` // up to three, as found
}

// A SuffixClass is what a suffix is good for.
type SuffixClass uint8

const (
	SuffixUnknown     SuffixClass = iota // the verified domains are not known
	SuffixVerified                       // a verified domain of the tenant
	SuffixUnverified                     // could be verified, but is not
	SuffixNonRoutable                    // cannot be verified: .local and the like
	SuffixMissing                        // no UPN, no "@", or nothing on one side of it
)

var suffixClassNames = [...]string{"unknown", "verified", "unverified", "non-routable", "missing"}

// String returns "unknown", "verified", "unverified", "non-routable" or "missing".
func (c SuffixClass) String() string { return nameOf(suffixClassNames[:], int(c), "SuffixClass") }

// nonRoutable are endings that no public DNS has: special-use names (RFC 6761, RFC 6762, RFC 8375, ICANN's "internal")
// and the ones Active Directory forests are commonly named with.
var nonRoutable = []string{"local", "localhost", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "test", "invalid", "example", "onion", "home.arpa"}

// Class judges the suffix against the verified domains; nil means they are not known.
func (s SuffixCount) Class(verified []string) SuffixClass {
	switch {
	case s.Suffix == "":
		return SuffixMissing
	case verified != nil && verifiedDomain(verified, s.Suffix):
		return SuffixVerified
	case !validHost(s.Suffix) || slices.ContainsFunc(nonRoutable, func(n string) bool { return s.Suffix == n || strings.HasSuffix(s.Suffix, "."+n) }):
		return SuffixNonRoutable
	case verified == nil:
		return SuffixUnknown
	}
	return SuffixUnverified
}

const (
	maxSuffixes = 100_000   // distinct suffixes; no organisation has so many
	maxUPNLine  = 64 << 10  // bytes in a line
	maxDomains  = 100 << 20 // bytes of a list of domains
)

// Errors of [CountSuffixes].
var (
	ErrTooManySuffixes = fmt.Errorf("comgmt: more than %d different UPN suffixes: this is no list of user principal names", maxSuffixes)
	ErrNoUPNColumn     = errors.New("comgmt: no column is called userPrincipalName")
)

// CountSuffixes counts users per UPN suffix, sorted by number of users, then by name. It reads one UPN per line, or CSV
// with a header that has a column userPrincipalName (also User_Principal_Name0, the name in the site's database). Suffixes
// compare without case. Unlike the usual SQL query it does not take a text without "@" for a suffix, nor make
// NULL a suffix: such users are counted under "". Empty lines and lines that begin with # are left out of a plain list.
func CountSuffixes(r io.Reader) ([]SuffixCount, error) {
	br := bufio.NewReaderSize(text.NewReader(r), maxUPNLine)
	counts := map[string]*SuffixCount{}
	add := func(upn string) error {
		suffix := upnSuffix(upn)
		c := counts[suffix]
		if c == nil {
			if len(counts) >= maxSuffixes {
				return ErrTooManySuffixes
			}
			c = &SuffixCount{Suffix: suffix}
			counts[suffix] = c
		}
		c.Users++
		if len(c.Examples) < 3 {
			c.Examples = append(c.Examples, clip(strings.TrimSpace(upn)))
		}
		return nil
	}
	head, _ := br.Peek(4096)
	first, rest, more := strings.Cut(string(head), "\n")
	if more && strings.HasPrefix(first, "#TYPE ") { // Export-Csv of Windows PowerShell
		br.Discard(len(first) + 1)
		first, _, _ = strings.Cut(rest, "\n")
	}
	var err error
	if separator, column := upnColumn(first); column >= 0 {
		err = countCSV(br, separator, column, add)
	} else if strings.ContainsAny(first, ",;\t") && !strings.Contains(first, "@") {
		err = ErrNoUPNColumn
	} else {
		err = countLines(br, add)
	}
	if err != nil {
		return nil, err
	}
	out := make([]SuffixCount, 0, len(counts))
	for _, c := range counts {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b SuffixCount) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Suffix, b.Suffix))
	})
	return out, nil
}

// upnSuffix returns what follows the last "@" in lower case, "" where there is no usable UPN.
func upnSuffix(upn string) string {
	t := strings.TrimSpace(upn)
	at := strings.LastIndexByte(t, '@')
	if at <= 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(t[at+1:], "."))
}

// upnColumn finds the UPN column in a CSV header; -1 if the line is no such header.
func upnColumn(header string) (separator rune, column int) {
	for _, sep := range [...]rune{',', ';', '\t'} {
		for i, name := range strings.Split(strings.TrimSuffix(header, "\r"), string(sep)) {
			switch strings.ToLower(strings.Trim(strings.TrimSpace(name), `"`)) {
			case "userprincipalname", "user principal name", "user_principal_name0", "user_principal_name", "upn":
				return sep, i
			}
		}
	}
	return 0, -1
}

func countCSV(r io.Reader, separator rune, column int, add func(string) error) error {
	c := csv.NewReader(r)
	c.Comma, c.ReuseRecord, c.FieldsPerRecord, c.LazyQuotes = separator, true, -1, true
	for i := 0; ; i++ {
		record, err := c.Read()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("comgmt: user list: %w", err)
		case i == 0:
			continue
		}
		upn := ""
		if column < len(record) {
			upn = record[column]
		}
		if strings.EqualFold(upn, "NULL") {
			upn = ""
		}
		if err := add(upn); err != nil {
			return err
		}
	}
}

func countLines(r *bufio.Reader, add func(string) error) error {
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("comgmt: user list: line %d is longer than %d bytes", n, maxUPNLine)
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("comgmt: user list: line %d: %w", n, err)
		}
		t := strings.TrimSpace(string(line))
		if strings.ContainsRune(t, 0) {
			return fmt.Errorf("comgmt: user list: line %d holds a NUL byte: this is no text", n)
		}
		if t != "" && t[0] != '#' {
			if err := add(strings.Trim(t, `"`)); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// DecodeDomains reads Graph's answer to GET /domains and returns the verified domains, in lower case; never nil
// without an error. Members it does not need are left alone.
func DecodeDomains(r io.Reader) ([]string, error) {
	var doc struct {
		Value []struct {
			ID       string `json:"id"`
			Verified *bool  `json:"isVerified"`
		} `json:"value"`
	}
	if err := json.NewDecoder(io.LimitReader(text.NewReader(r), maxDomains)).Decode(&doc); err != nil {
		return nil, fmt.Errorf("comgmt: domains: %w", err)
	}
	if doc.Value == nil {
		return nil, errors.New(`comgmt: domains: no member "value"`)
	}
	out := []string{}
	for i, d := range doc.Value {
		if d.ID == "" || d.Verified == nil {
			return nil, errors.New("comgmt: domains: value[" + strconv.Itoa(i) + "] lacks id or isVerified")
		}
		if *d.Verified {
			out = append(out, normalHost(d.ID))
		}
	}
	return out, nil
}
