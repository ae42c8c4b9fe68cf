package dsreg

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Redactor replaces identities in captures, the same identity by the same
// replacement each time, so that a redacted capture still parses to the same
// shape and its rows can still be compared: GUIDs stay GUIDs, thumbprints
// stay hex, addresses stay addresses.
//
// Replaced are device, tenant, key and request GUIDs, thumbprints, tenant,
// domain, computer and user names, UPNs, SIDs, the hosts of URLs that are not
// Microsoft's, proxy hosts, settings blobs, and any of these where they occur
// again in server messages, logs and the text around the capture. Kept are
// labels, states, times, codes, versions, and GUIDs that are constants of Windows.
//
// The zero Redactor is ready to use. It remembers what it replaced, so that
// several captures of one estate stay comparable; use one Redactor per audience.
// A Redactor is not safe for concurrent use.
type Redactor struct {
	names map[string]string // what was seen, in lower case, and what it became
	count map[string]int    // numbers used, by kind
}

// Redact is Text with a fresh Redactor.
func Redact(s string) (string, error) {
	var r Redactor
	return r.Text(s)
}

// wamProvider is the id of the account provider AzureAd, the same on every computer.
const wamProvider = "b16898c6-a148-4967-9171-64d755da8520"

// keepHosts are the hosts of Microsoft's services, which identify nobody.
var keepHosts = []string{"microsoft.com", "microsoftonline.com", "windows.net", "windows.com", "live.com", "azure.net", "aka.ms", "office.com", "microsoftonline.us", "azure.cn", "microsoftonline.de", "chinacloudapi.cn", "partner.microsoftonline.cn"}

// Text returns s, which holds any number of captures, with the identities
// replaced and everything else as it is, line by line. Bytes that are not
// UTF-8 are repaired first. The error is the one Parse would give: text in
// which no capture is found is not returned, because nothing would be known about it.
func (r *Redactor) Text(s string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(decodeText(strings.NewReader(s)), 4*MaxCapture))
	if err != nil {
		return "", &InputError{Reason: "reading", Err: err}
	}
	clean, _ := validText(string(text))
	all, err := ParseAll(strings.NewReader(clean))
	if err != nil {
		return "", err
	}
	for _, st := range all {
		r.learn(st)
	}
	return r.replacer().apply(clean), nil
}

// Status returns a copy of st with the identities replaced in its rows and texts.
func (r *Redactor) Status(st *Status) *Status {
	r.learn(st)
	x := r.replacer()
	n := &Status{Index: st.Index, Several: st.Several, Source: st.Source, headings: slices.Clone(st.headings), fields: slices.Clone(st.fields), texts: slices.Clone(st.texts)}
	n.Source.Repairs = slices.Clone(st.Source.Repairs)
	for i := range n.Source.Repairs {
		n.Source.Repairs[i].From, n.Source.Repairs[i].To = x.apply(n.Source.Repairs[i].From), x.apply(n.Source.Repairs[i].To)
	}
	for i := range n.fields {
		n.fields[i].Value = x.apply(n.fields[i].Value)
	}
	for i := range n.texts {
		n.texts[i].Text = x.apply(n.texts[i].Text)
	}
	n.derive(labels())
	return n
}

// Replacements returns what was replaced and by what, sorted. It is the key
// to the redaction: keep it to yourself.
func (r *Redactor) Replacements() [][2]string {
	var all [][2]string
	for k, v := range r.names {
		all = append(all, [2]string{k, v})
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return all
}

// learn gathers the identities that the rows of a capture name.
func (r *Redactor) learn(st *Status) {
	if r.names == nil {
		r.names, r.count = map[string]string{}, map[string]int{}
	}
	name := func(kind string, values ...*Text) {
		for _, v := range values {
			if v.State == Set {
				r.name(kind, v.Raw)
			}
		}
	}
	dev := &st.Device
	if dev.DeviceName.State == Set {
		host, domain, _ := strings.Cut(dev.DeviceName.Raw, ".")
		r.name("PC", host)
		r.domain(domain)
	}
	name("DOMAIN", &dev.DomainName)
	details, tenants := []*DeviceDetails{&st.Details}, []*TenantDetails{&st.Tenant}
	if o := st.OldRegistration; o != nil {
		details, tenants = append(details, &o.Details), append(tenants, &o.Tenant)
	}
	for _, d := range details {
		if d.DeviceID.State == Malformed {
			r.hex(d.DeviceID.Raw) // shortened
		}
		for _, t := range []*Text{&d.Thumbprint, &d.RecoveryThumbprint} {
			r.hex(t.Raw)
		}
	}
	for _, t := range tenants {
		name("Tenant", &t.TenantName)
		r.settings(&t.SettingsURL)
	}
	for i := range st.WorkAccounts {
		w := &st.WorkAccounts[i]
		r.hex(w.WorkplaceThumbprint.Raw)
		name("Tenant", &w.WorkplaceTenantName)
		r.settings(&w.WorkplaceSettingsURL)
	}
	for _, a := range []*Account{&st.Diagnostics.ExecutingAccountName, &st.Proxy.URLAccount} {
		if a.State != Set {
			continue
		}
		r.upn(a.UPN)
		if !strings.EqualFold(a.Domain, "AzureAD") && !strings.EqualFold(a.Domain, "NT AUTHORITY") {
			r.name("DOMAIN", a.Domain)
		}
		r.name("user", strings.TrimSuffix(a.User, "$"))
	}
	for i := range st.SSO.Attempts {
		r.upn(st.SSO.Attempts[i].UserIdentity.Raw)
	}
	for _, p := range []*ProxyConfig{&st.Proxy.User, &st.Proxy.System} {
		r.hosts(p.ProxyServerList.Raw)
		r.hosts(p.ProxyBypassList.Raw)
	}
	if l := st.Log; l != nil {
		r.name("Tenant", l.TenantName)
	}
	if a := st.Accounts; a != nil {
		for _, x := range slices.Concat(a.Users, a.Apps, []WAMAccount{a.Default}) {
			r.upn(x.User)
		}
	}
	for _, p := range st.VirtualDesktop.Pairs {
		r.name("vendor", p.Value)
	}
	for i := range st.fields {
		f := &st.fields[i]
		r.scan(f.Value)
		if f.row == 0 && strings.Contains(f.Value, "domainController:") {
			for word := range strings.FieldsSeq(f.Value) {
				if k, v, ok := strings.Cut(word, ":"); ok && (k == "domain" || k == "forest" || k == "domainController") {
					r.domain(strings.TrimLeft(v, `\`))
				}
			}
		}
	}
	for i := range st.texts {
		r.scan(st.texts[i].Text)
		r.homeDirs(st.texts[i].Text)
	}
}

// fresh returns the next replacement of a kind.
func (r *Redactor) fresh(kind string) int {
	r.count[kind]++
	return r.count[kind]
}

func (r *Redactor) put(key, value string) {
	key = asciiLower(key)
	if _, done := r.names[key]; !done && key != asciiLower(value) {
		r.names[key] = value
	}
}

// noSID begins the security identifiers that a Redactor makes.
const noSID = "s-1-5-21-0-0-0-"

// ours reports a value that this or another Redactor made.
func ours(s string) bool {
	low := strings.ToLower(s)
	if strings.HasSuffix(low, ".redacted.example") || strings.HasPrefix(low, "192.0.2.") || strings.HasPrefix(low, noSID) {
		return true
	}
	for _, kind := range [...]string{"pc", "domain", "user", "tenant", "vendor"} {
		if rest, ok := strings.CutPrefix(low, "redacted-"+kind+"-"); ok && rest != "" && strings.Trim(rest, "0123456789") == "" {
			return true
		}
	}
	return false
}

// name replaces a name by "redacted-kind-n".
func (r *Redactor) name(kind, v string) {
	v = strings.TrimSpace(v)
	if len(v) < 2 || redacted(v) || ours(v) || commonWord(v) {
		return
	}
	if _, done := r.names[asciiLower(v)]; done {
		return
	}
	r.put(v, fmt.Sprintf("redacted-%s-%d", strings.ToLower(kind), r.fresh(kind)))
}

// commonWord protects words that the program itself prints.
func commonWord(v string) bool {
	switch strings.ToUpper(v) {
	case "YES", "NO", "SYSTEM", "NONE", "USER", "ERROR", "UNKNOWN", "WORKGROUP", "DIRECT", "AZUREAD", "SUCCESS", "PASS", "DEVICE", "STATE", "DATA", "DOMAIN", "TENANT", "MICROSOFT", "WINDOWS", "ADMINISTRATOR":
		return true
	}
	return false
}

// domain replaces a DNS name by one under the reserved domain example.
func (r *Redactor) domain(v string) {
	v = strings.TrimSuffix(strings.TrimSpace(v), ".")
	if !strings.Contains(v, ".") || redacted(v) || ours(v) || microsoftHost(v) || strings.ContainsAny(v, " /<>") {
		return
	}
	if strings.Trim(v, "0123456789.") == "" {
		if _, done := r.names[v]; !done && strings.Count(v, ".") == 3 {
			r.put(v, fmt.Sprintf("192.0.2.%d", r.fresh("ip"))) // the range for documentation, RFC 5737
		}
		return
	}
	if _, done := r.names[asciiLower(v)]; !done {
		r.put(v, fmt.Sprintf("domain%d.redacted.example", r.fresh("dns")))
	}
}

func (r *Redactor) upn(v string) {
	user, domain, ok := strings.Cut(strings.TrimSpace(v), "@")
	if !ok || redacted(v) || ours(v) || user == "" || domain == "" || strings.ContainsAny(v, " <>[]") {
		return
	}
	r.domain(domain)
	r.name("user", strings.TrimSuffix(user, "$"))
}

func (r *Redactor) hosts(v string) {
	for h := range strings.FieldsFuncSeq(v, func(c rune) bool { return c == ';' || c == ',' || c == ' ' || c == '=' }) {
		h, _, _ = strings.Cut(strings.TrimLeft(h, "*.<"), ":")
		r.domain(h)
	}
}

func (r *Redactor) settings(b *SettingsBlob) {
	if b.State == Set && len(b.Raw) >= 16 {
		r.put(b.Raw, "eyJVcmlzIjpbXX0=") // {"Uris":[]}
	}
}

// hex replaces a thumbprint, whole or shortened, by one of the same length.
func (r *Redactor) hex(v string) {
	if len(v) < 16 || len(v) > 128 || strings.Trim(v, "0123456789abcdefABCDEF") != "" || strings.HasPrefix(v, "00000000") {
		return
	}
	if _, done := r.names[asciiLower(v)]; done {
		return
	}
	n := fmt.Sprintf("%0*X", len(v), r.fresh("hex"))
	r.put(v, n)
}

// scan finds identities by their own shape: SIDs, GUIDs, addresses, hosts of URLs.
func (r *Redactor) scan(s string) {
	r.sids(s)
	for i := 0; i+36 <= len(s); i++ {
		if s[i+8] != '-' {
			continue
		}
		if u, ok := parseUUID(s[i : i+36]); ok {
			r.guid(u)
			i += 35
		}
	}
	for i := 0; i < len(s); {
		at := strings.IndexByte(s[i:], '@')
		if at < 0 {
			break
		}
		at += i
		a, b := at, at+1
		for a > 0 && at-a < 64 && wordByte(s[a-1]) {
			a--
		}
		for b < len(s) && b-at < 128 && wordByte(s[b]) {
			b++
		}
		r.upn(strings.TrimRight(s[a:b], "."))
		i = max(b, at+1)
	}
	for i := 0; ; {
		at := strings.Index(s[i:], "://")
		if at < 0 {
			break
		}
		at += i + 3
		b := at
		for b < len(s) && b-at < 128 && wordByte(s[b]) {
			b++
		}
		r.domain(s[at:b])
		i = b
	}
}

// sids finds security identifiers of accounts: of domains and computers
// (S-1-5-21-…) and of Microsoft Entra ID (S-1-12-1-…).
func (r *Redactor) sids(s string) {
	for rest := s; ; {
		i := strings.Index(rest, "S-1-")
		if i < 0 {
			return
		}
		rest = rest[i:]
		end := len("S-1-")
		for end < len(rest) && end < 80 && (rest[end] >= '0' && rest[end] <= '9' || rest[end] == '-') {
			end++
		}
		sid := strings.TrimRight(rest[:end], "-")
		if (strings.HasPrefix(sid, "S-1-5-21-") || strings.HasPrefix(sid, "S-1-12-1-")) && !ours(sid) {
			if _, done := r.names[asciiLower(sid)]; !done {
				r.put(sid, fmt.Sprintf("%s%d", strings.ToUpper(noSID), r.fresh("sid")))
			}
		}
		rest = rest[end:]
	}
}

// homeDirs finds user names in prompts such as "PS C:\Users\name>".
func (r *Redactor) homeDirs(s string) {
	for rest := s; ; {
		i := strings.Index(rest, `:\Users\`)
		if i < 0 {
			return
		}
		rest = rest[i+len(`:\Users\`):]
		end := strings.IndexAny(rest[:min(len(rest), 64)], "\\>\r\n\"")
		if end > 0 {
			r.name("user", rest[:end])
		}
	}
}

func (r *Redactor) guid(u UUID) {
	key := u.String()
	if key == wamProvider || u[0] == 0 && u[1] == 0 && u[2] == 0 && u[3] == 0 {
		return // a constant, or one made here
	}
	if _, done := r.names[key]; !done {
		n := r.fresh("guid")
		r.names[key] = fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
	}
}

func microsoftHost(h string) bool {
	h = strings.ToLower(h)
	for _, k := range keepHosts {
		if h == k || strings.HasSuffix(h, "."+k) {
			// *.onmicrosoft.com names a tenant and is not in the list.
			return true
		}
	}
	return false
}

// wordByte reports the bytes of names, addresses and hosts.
func wordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c >= 0x80
}

// A replacer holds the learnt identities by first byte, longest first.
type replacer struct {
	names   map[string]string
	byFirst [256][]string
}

func (r *Redactor) replacer() *replacer {
	x := &replacer{names: r.names}
	for k := range r.names {
		x.byFirst[k[0]] = append(x.byFirst[k[0]], k)
	}
	for i := range x.byFirst {
		slices.SortFunc(x.byFirst[i], func(a, b string) int {
			if len(a) != len(b) {
				return len(b) - len(a)
			}
			return strings.Compare(a, b)
		})
	}
	return x
}

// apply replaces every learnt identity in s in one pass. Words are compared
// as a whole, so that the name "ann" does not change "channel"; labels stay.
func (x *replacer) apply(s string) string {
	if len(x.names) == 0 {
		return s
	}
	low := asciiLower(s)
	var b strings.Builder
	b.Grow(len(s))
	done := 0
	for i := 0; i < len(s); {
		word := i == 0 || !nameByte(low[i-1])
		matched := false
		if word {
			for _, k := range x.byFirst[low[i]] {
				end := i + len(k)
				if strings.HasPrefix(low[i:], k) && (end == len(s) || !nameByte(low[end]) || !nameByte(low[end-1])) && !isLabel(s, i, end) {
					b.WriteString(s[done:i])
					b.WriteString(sameCase(s[i:end], x.names[k]))
					i, done, matched = end, end, true
					break
				}
			}
		}
		if !matched {
			i++
		}
	}
	b.WriteString(s[done:])
	return b.String()
}

// isLabel protects "label :" from a name that is also a label.
func isLabel(s string, i, end int) bool {
	return strings.HasPrefix(strings.TrimLeft(s[end:min(len(s), end+40)], " "), ":") && (i == 0 || s[i-1] == ' ' || s[i-1] == '\n') && labels().exact[s[i:end]] != nil
}

// nameByte reports bytes inside a word; a dot or an at sign ends a word, because parts of names are names.
func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

func asciiLower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if b[j] >= 'A' && b[j] <= 'Z' {
					b[j] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// sameCase gives names an upper-case form where the original was upper case,
// as in "HOST$" beside "host".
func sameCase(orig, repl string) string {
	if _, err := hex.DecodeString(repl); err == nil {
		return repl
	}
	if strings.ToUpper(orig) == orig && strings.ToLower(orig) != orig && !strings.Contains(repl, "-0000-") {
		return strings.ToUpper(repl)
	}
	return repl
}
