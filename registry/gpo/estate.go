package gpo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry"
)

// A Kind says what a Container is.
type Kind uint8

const (
	OU     Kind = iota // organizational unit, or any other container below a domain
	Domain             // a domain
	Site               // an Active Directory site
	Local              // the computer itself, with its local GPO
)

var kinds = [...]string{OU: "ou", Domain: "domain", Site: "site", Local: "local"}

// String returns "ou", "domain", "site", "local" or "Kind(n)".
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// MarshalText returns k.String(); it fails for a number without a name.
func (k Kind) MarshalText() ([]byte, error) {
	if int(k) >= len(kinds) {
		return nil, fmt.Errorf("gpo: no kind %d", k)
	}
	return []byte(kinds[k]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, s := range kinds {
		if strings.EqualFold(s, string(b)) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("gpo: no kind of container %.40q", b)
}

// A Container is what GPOs are linked to.
type Container struct {
	DN               string `json:"dn"` // a site may also be named simply; the local container needs no DN
	Kind             Kind   `json:"kind"`
	BlockInheritance bool   `json:"blockInheritance,omitempty"` // gPOptions bit 0
	Links            []Link `json:"links,omitempty"`            // in link order: the first is number 1, the strongest
	GPLink           string `json:"gPLink,omitempty"`           // instead of Links: the raw attribute; see ParseGPLink
}

// A Link ties a GPO to a container.
type Link struct {
	GPO      string `json:"gpo"`                // id or, if it is unique, display name
	Disabled bool   `json:"disabled,omitempty"` // option bit 0
	Enforced bool   `json:"enforced,omitempty"` // option bit 1
}

// A GPO is a Group Policy Object: what the directory says of it and the settings from its files.
type GPO struct {
	ID               string `json:"id"` // "{31B2F340-016D-11D2-945F-00C04FB984F9}"
	Name             string `json:"name,omitempty"`
	ComputerDisabled bool   `json:"computerDisabled,omitempty"` // flags bit 1
	UserDisabled     bool   `json:"userDisabled,omitempty"`     // flags bit 0
	WMIFilter        string `json:"wmiFilter,omitempty"`        // name or id; "" is none
	// Security says who may read and apply the GPO. With nil it is taken to be what a new GPO has: Authenticated
	// Users may do both. That assumption is noted in the Result.
	Security []Permission `json:"security,omitempty"`

	// The client-side extensions the directory object names. A client ignores a file whose extension is not listed;
	// a tool that writes the file and forgets the attribute makes a GPO that does nothing. "" is not known, or none:
	// then the files count.
	MachineExtensionNames string `json:"machineExtensionNames,omitempty"` // gPCMachineExtensionNames
	UserExtensionNames    string `json:"userExtensionNames,omitempty"`    // gPCUserExtensionNames

	Computer Settings `json:"-"`
	User     Settings `json:"-"`
}

// A Permission is an entry of a GPO's access list, as far as filtering looks at it.
type Permission struct {
	Trustee string `json:"trustee"` // SID or name, compared with Target.Principals without case
	Deny    bool   `json:"deny,omitempty"`
	Read    bool   `json:"read,omitempty"`
	Apply   bool   `json:"apply,omitempty"` // extended right edacfd8f-ffb3-11d1-b41d-00a0c968f939
}

// Settings are the files of one half of a GPO. Nil is no such file.
type Settings struct {
	Policy      []byte // Registry.pol
	Preferences []byte // Preferences\Registry\Registry.xml
	Security    []byte // Microsoft\Windows NT\SecEdit\GptTmpl.inf, only in the computer half
	// Entries are settings without a file, for tests and for what other programs computed. They count as Registry.pol.
	Entries []registry.Entry
	Version uint16 // from GPT.INI
	Folder  string // where the files were found, for messages
}

// An Estate is what is known of a forest's Group Policy. Fill it with Load, or in a literal. It may be used by
// several goroutines as long as none changes it.
type Estate struct {
	Containers []Container `json:"containers"`
	GPOs       []GPO       `json:"gpos,omitempty"`

	// FirstEntryStrongest reads raw gPLink attributes with the first entry as link order 1, in case the common
	// reading, that the last entry is, turns out wrong for a directory. Links in the field Links are not affected.
	FirstEntryStrongest bool `json:"firstEntryStrongest,omitempty"`
	// Mechanisms is the order in which the client's extensions work, the last wins. Nil is Policy, SecurityTemplate,
	// Preference: the registry extension first, the others by GUID. What is missing in the list is left out.
	Mechanisms []Mechanism `json:"mechanisms,omitempty"`
}

// links returns the links of c in link order.
func (e *Estate) links(c *Container) []Link {
	if c.GPLink == "" || !e.FirstEntryStrongest {
		return c.Links
	}
	links := slices.Clone(c.Links)
	slices.Reverse(links)
	return links
}

// Load reads links and then the settings of all GPOs from SYSVOL.
func Load(sysvol fs.FS, links io.Reader) (*Estate, error) {
	e, err := ReadLinks(links)
	if err != nil {
		return nil, err
	}
	return e, e.LoadSysvol(sysvol)
}

// ErrLinks is wrapped by the errors of ReadLinks.
var ErrLinks = errors.New("gpo: links cannot be read")

// MaxLinks is the longest input of ReadLinks in bytes.
const MaxLinks = 256 << 20

// ReadLinks reads where GPOs are linked, as LDIF or as JSON: an object with containers and gpos, whose fields are
// those of Container and GPO.
//
//	{"containers": [
//	   {"dn": "DC=ashdown,DC=example", "kind": "domain", "links": [{"gpo": "Baseline", "enforced": true}]},
//	   {"dn": "OU=Lab,DC=ashdown,DC=example", "blockInheritance": true, "links": [{"gpo": "{6AC1786C-016F-11D2-945F-00C04FB984F9}"}]}],
//	 "gpos": [{"id": "{6AC1786C-016F-11D2-945F-00C04FB984F9}", "name": "Lab", "wmiFilter": "Laptops",
//	   "security": [{"trustee": "S-1-5-11", "read": true, "apply": true}]}]}
func ReadLinks(r io.Reader) (*Estate, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxLinks+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLinks, err)
	}
	if len(data) > MaxLinks {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrLinks, MaxLinks)
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	e := new(Estate)
	if text := bytes.TrimSpace(data); len(text) > 0 && text[0] == '{' {
		err = e.readJSON(data)
	} else {
		err = e.readLDIF(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLinks, err)
	}
	return e, e.check()
}

func (e *Estate) readJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(e); err != nil {
		if se, ok := errors.AsType[*json.SyntaxError](err); ok {
			return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(se.Offset), len(data))], []byte{'\n'}), err)
		}
		if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(te.Offset), len(data))], []byte{'\n'}), err)
		}
		return err
	}
	if d.More() {
		return errors.New("something follows the object")
	}
	return nil
}

// check resolves raw links and refuses what is ambiguous.
func (e *Estate) check() error {
	seen := map[string]bool{}
	for i := range e.Containers {
		c := &e.Containers[i]
		if c.GPLink != "" {
			if len(c.Links) > 0 {
				return fmt.Errorf("%w: %s has both links and gPLink", ErrLinks, c.DN)
			}
			links, err := ParseGPLink(c.GPLink)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", ErrLinks, c.DN, err)
			}
			c.Links = links
		}
		if c.Kind != Local && c.DN == "" {
			return fmt.Errorf("%w: container %d has no dn", ErrLinks, i+1)
		}
		if key := c.Kind.String() + ":" + foldDN(c.DN); seen[key] {
			return fmt.Errorf("%w: container %s is listed twice", ErrLinks, c.DN)
		} else {
			seen[key] = true
		}
	}
	ids := map[string]bool{}
	for i := range e.GPOs {
		g := &e.GPOs[i]
		if g.ID == "" {
			g.ID = g.Name
		}
		if key := foldID(g.ID); key == "" || ids[key] {
			return fmt.Errorf("%w: GPO %q has no id or is listed twice", ErrLinks, g.ID)
		} else {
			ids[key] = true
		}
	}
	return nil
}

// foldID makes ids comparable: upper case with braces if it is a GUID, upper case otherwise.
func foldID(id string) string {
	id = strings.ToUpper(strings.TrimSpace(id))
	if bare := strings.Trim(id, "{}"); isGUID(bare) {
		return "{" + bare + "}"
	}
	return id
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash != (c == '-'):
			return false
		case !dash && (c < '0' || c > '9') && (c < 'A' || c > 'F') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// gpo finds a GPO by id or by a display name that only one has.
func (e *Estate) gpo(ref string) *GPO {
	var named *GPO
	for i := range e.GPOs {
		g := &e.GPOs[i]
		if foldID(g.ID) == foldID(ref) {
			return g
		}
		if strings.EqualFold(g.Name, ref) {
			if named != nil {
				return nil
			}
			named = g
		}
	}
	return named
}

// ParseGPLink reads the attribute gPLink, "[LDAP://cn={…},cn=policies,…;options]…" ([MS-GPOL]), and returns
// the links in link order: the last entry of the attribute is number 1 (see the package comment and
// Estate.FirstEntryStrongest). Options of which neither bit 0 (disabled)
// nor bit 1 (enforced) is known to mean something are ignored.
func ParseGPLink(s string) ([]Link, error) {
	var links []Link
	for rest := strings.TrimSpace(s); rest != ""; rest = strings.TrimSpace(rest) {
		if rest[0] != '[' {
			return nil, fmt.Errorf("gPLink: %.60q does not start with [", rest)
		}
		entry, more, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return nil, fmt.Errorf("gPLink: %.60q has no ]", rest)
		}
		rest = more
		i := strings.LastIndexByte(entry, ';')
		if i < 0 {
			return nil, fmt.Errorf("gPLink: no options in %.100q", entry)
		}
		options, err := strconv.ParseUint(strings.TrimSpace(entry[i+1:]), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("gPLink: options %.20q", entry[i+1:])
		}
		open, shut := strings.IndexByte(entry, '{'), strings.IndexByte(entry, '}')
		if open < 0 || shut < open || !isGUID(entry[open+1:shut]) {
			return nil, fmt.Errorf("gPLink: no GUID in %.100q", entry)
		}
		links = append(links, Link{GPO: foldID(entry[open : shut+1]), Disabled: options&1 != 0, Enforced: options&2 != 0})
	}
	slices.Reverse(links)
	return links, nil
}
