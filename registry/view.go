package registry

import "strings"

// A View is what a 64-bit or a 32-bit process sees of the keys that WOW64 redirects. The zero View is the
// 64-bit one, where Windows components look.
type View uint8

const (
	View64 View = iota
	View32      // a 32-bit process: HKLM\SOFTWARE is really HKLM\SOFTWARE\WOW6432Node
)

const wow = "WOW6432Node"

// redirected lists the roots below which WOW64 keeps a second copy, most specific first (Microsoft, "Registry
// Keys Affected by WOW64"). HKLM\SYSTEM is shared. Only the roots are listed: a few keys below them, such as
// SOFTWARE\Policies and SOFTWARE\Microsoft\SystemCertificates, are shared again.
var redirected = []Path{
	{LocalMachine, `SOFTWARE\Classes`},
	{LocalMachine, `SOFTWARE`},
	{CurrentUser, `SOFTWARE\Classes`},
	{ClassesRoot, ``},
}

// shared lists keys below the redirected ones of which there is only one.
var shared = []Path{
	{LocalMachine, `SOFTWARE\Policies`},
	{LocalMachine, `SOFTWARE\Microsoft\SystemCertificates`},
	{LocalMachine, `SOFTWARE\Microsoft\EnterpriseCertificates`},
	{LocalMachine, `SOFTWARE\Microsoft\Cryptography\Services`},
}

// In returns where a process with view v really reads and writes p: with View32 a redirected key gets its
// WOW6432Node component, every other key stays. In(View64) is p itself.
func (p Path) In(v View) Path {
	if v != View32 || p.isWOW() {
		return p
	}
	for _, s := range shared {
		if p.Under(s) {
			return p
		}
	}
	for _, r := range redirected {
		rel, ok := p.Rel(r)
		if !ok {
			continue
		}
		if strings.EqualFold(r.Key, `SOFTWARE\Classes`) && rel == "" {
			return p
		}
		return Path{p.Hive, p.Key[:len(p.Key)-len(rel)]}.trimmed().Join(wow).Join(rel)
	}
	return p
}

func (p Path) trimmed() Path { return Path{p.Hive, strings.TrimSuffix(p.Key, `\`)} }

func (p Path) isWOW() bool {
	_, v := p.Logical()
	return v == View32
}

// Logical returns the path without a WOW6432Node component and the view that component stands for, so a value
// that a 32-bit script wrote can be told from the one Windows reads.
func (p Path) Logical() (Path, View) {
	parts := strings.Split(p.Key, `\`)
	for i, part := range parts {
		if strings.EqualFold(part, wow) && i <= 2 {
			return Path{p.Hive, strings.Join(append(parts[:i:i], parts[i+1:]...), `\`)}, View32
		}
	}
	return p, View64
}

// ControlSet returns n and the path with CurrentControlSet in its place, if p lies below
// HKEY_LOCAL_MACHINE\SYSTEM\ControlSet00n; otherwise it returns p and 0. CurrentControlSet is a link that
// exists only in a running Windows; exports may name either, offline hives have only the numbered sets.
func (p Path) ControlSet() (Path, int) {
	rel, ok := p.Rel(Path{LocalMachine, "SYSTEM"})
	if !ok {
		return p, 0
	}
	set, rest, _ := strings.Cut(rel, `\`)
	if len(set) != len("ControlSet001") || !strings.EqualFold(set[:len("ControlSet")], "ControlSet") {
		return p, 0
	}
	n := 0
	for _, c := range set[len("ControlSet"):] {
		if c < '0' || c > '9' {
			return p, 0
		}
		n = n*10 + int(c-'0')
	}
	if n == 0 {
		return p, 0
	}
	return HKLM(`SYSTEM\CurrentControlSet`).Join(rest), n
}
