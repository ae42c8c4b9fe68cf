package dsreg

import (
	"slices"
	"strings"
	"sync"
)

// A Section is one box of the output, by what it is about. The zero Section
// stands for rows without any title; a title this package does not know has
// SecOther and keeps its text.
type Section uint8

// The sections in print order.
const (
	SecNone Section = iota
	SecDeviceState
	SecDeviceDetails
	SecTenantDetails
	SecUserState
	SecSSOState
	SecWorkAccount // "Work Account 1", "Work Account 2", …
	SecDiagnosticData
	SecProxySystem
	SecProxyURL
	SecProxyUser
	SecProxyWinHTTP
	SecNgc
	SecVirtualDesktop
	SecOther
	SecLog      // lines of /debug, which have no box
	SecAccounts // lines of /listaccounts and /cleanupaccounts, which have no box
	numSections
)

var sectionTitles = [numSections]string{
	SecDeviceState:    "Device State",
	SecDeviceDetails:  "Device Details",
	SecTenantDetails:  "Tenant Details",
	SecUserState:      "User State",
	SecSSOState:       "SSO State",
	SecWorkAccount:    "Work Account",
	SecDiagnosticData: "Diagnostic Data",
	SecProxySystem:    "IE Proxy Config for System Account",
	SecProxyURL:       "URL Specific Proxy Config",
	SecProxyUser:      "IE Proxy Config for Current User",
	SecProxyWinHTTP:   "WinHttp Default Proxy Config",
	SecNgc:            "Ngc Prerequisite Check",
	SecVirtualDesktop: "Virtual Desktop Settings",
	SecOther:          "(other)",
	SecLog:            "log",
	SecAccounts:       "accounts",
}

// String returns the title as dsregcmd prints it; "" for SecNone.
func (s Section) String() string {
	if s < numSections {
		return sectionTitles[s]
	}
	return "Section(?)"
}

// sectionOf finds the section of a title; case and inner blanks do not count.
func sectionOf(title string) Section {
	for s := SecDeviceState; s < SecOther; s++ {
		if title == sectionTitles[s] {
			return s
		}
	}
	if len(title) > 64 {
		return SecOther
	}
	key := foldLabel(title)
	for s := SecDeviceState; s < SecOther; s++ {
		if key == foldLabel(sectionTitles[s]) {
			return s
		}
	}
	if n, ok := strings.CutPrefix(key, "workaccount"); ok && n != "" && strings.Trim(n, "0123456789") == "" {
		return SecWorkAccount
	}
	return SecOther
}

// A Type is the type of a row's value.
type Type string

// Types of values.
const (
	TypeYesNo      Type = "yesno"
	TypeText       Type = "text"
	TypeGUID       Type = "guid"
	TypeHex        Type = "hex"
	TypeTime       Type = "time"
	TypeTimeRange  Type = "time range"
	TypeURL        Type = "url"
	TypeSettings   Type = "base64"
	TypeEnum       Type = "enum"
	TypeNumber     Type = "number"
	TypeCode       Type = "code"
	TypeProvider   Type = "guid and provider"
	TypeList       Type = "list"
	TypeKeySign    Type = "key sign test"
	TypeAuthStatus Type = "authentication status"
	TypeAccount    Type = "account"
	TypeTest       Type = "test"
)

// A Label is one row of the catalogue: what dsregcmd can print, where, and
// what it means.
type Label struct {
	Section Section
	Name    string // as printed by current builds
	Alias   string // another spelling, "" if there is none
	Type    Type
	Values  string // known values and forms
	Since   string // builds that print it
	Meaning string // "" where the name says it all
	Source  string
}

// Catalog returns every known label in print order. A label that occurs in
// several sections has an entry in each.
func Catalog() []Label {
	all := make([]Label, len(catalog))
	for i := range catalog {
		all[i] = catalog[i].Label
	}
	return all
}

// Describe returns the catalogue's entry for a field, matching labels without
// regard to case and blanks, as the parser does.
func Describe(f Field) (Label, bool) {
	if f.row > 0 {
		return catalog[f.row-1].Label, true
	}
	for _, e := range labels().fold[foldLabel(f.Label)] {
		if l := catalog[e].Label; f.Section == "" || l.Section == sectionOf(f.Section) || l.Section == SecProxyUser && sectionOf(f.Section) == SecProxySystem {
			return l, true
		}
	}
	return Label{}, false
}

// An entry joins a label to its field in the typed model.
type entry struct {
	Label
	field func(*owner) value
	host  func(*owner) value // the field inside the Last HostName Update block, for the labels that occur there
}

// labelIndex finds entries by label.
type labelIndex struct {
	exact map[string][]int16 // by spelling: all entries whose label folds to the same
	first [numSections]int16
	name  [len(catalog)]string // what the parser asks of an entry for every row, close together
	sec   [len(catalog)]Section
	kind  [len(catalog)]Type
	fold  map[string][]int16     // all entries, by foldLabel
	enums [len(catalog)][]string // known values of enumerations
	prose [len(catalog)]bool     // values are free text
	side  [len(catalog)]PRTOwner // which token a row of SSO State is about
	loose [len(catalog)]bool     // the label is an ordinary word that other text may use
}

var labels = sync.OnceValue(func() *labelIndex {
	x := &labelIndex{exact: map[string][]int16{}, fold: map[string][]int16{}}
	for i := range slices.Backward(catalog[:]) {
		x.first[catalog[i].Section] = int16(i)
	}
	x.first[SecProxySystem] = x.first[SecProxyUser]
	for i := range catalog {
		l := &catalog[i].Label
		x.name[i], x.sec[i], x.kind[i] = l.Name, l.Section, l.Type
		for _, name := range []string{l.Name, l.Alias} {
			if name == "" || name == "KeySignTest:" {
				continue
			}
			key := foldLabel(name)
			if !slices.Contains(x.fold[key], int16(i)) {
				x.fold[key] = append(x.fold[key], int16(i))
			}
		}
		switch l.Name {
		case "Server Message", "Server Error Description", "Auto Detect PAC Status", "Access Type":
			x.prose[i] = true
		case "Type", "Provider", "Extensions", "User mode", "Idp", "Thumbprint", "Client Time", "Server Time", "HTTP status", "HTTP Method", "HTTP Error":
			x.loose[i] = true
		}
		switch {
		case strings.HasPrefix(l.Name, "AzureAdPrt"):
			x.side[i] = OwnerEntra
		case strings.HasPrefix(l.Name, "EnterprisePrt"):
			x.side[i] = OwnerEnterprise
		}
		if l.Type == TypeEnum {
			for v := range strings.SplitSeq(l.Values, ",") {
				x.enums[int16(i)] = append(x.enums[int16(i)], strings.TrimSpace(v))
			}
		}
	}
	for i := range catalog {
		for _, name := range []string{catalog[i].Name, catalog[i].Alias} {
			if name != "" && name != "KeySignTest:" {
				x.exact[name] = x.fold[foldLabel(name)]
			}
		}
	}
	return x
})

// foldLabel makes labels comparable that differ in case and blanks only.
func foldLabel(s string) string {
	var b [64]byte
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == ' ' || c == '\t':
			continue
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		}
		if n == len(b) {
			return "" // longer than any label
		}
		b[n] = c
		n++
	}
	return string(b[:n])
}
