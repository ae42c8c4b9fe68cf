package dsreg

import "strings"

// special reads the output of the other switches, which has no boxes. It
// reports false for a line that is none of theirs.
func (p *parser) special(t, s string, indent int) bool {
	switch {
	case p.logging && !p.logEnd:
		return p.logLine(t, s)
	case p.listing:
		if accountStart(t) && p.begun && hasPrefixFold(t, "Call ") {
			p.boundary()
			p.listing = true
		} else if classify(t) != TextOther {
			return false
		}
		p.accountLine(t, s)
		return true
	}
	switch {
	case logStart(t) && (!p.begun || p.outside || p.logEnd || strings.HasPrefix(t, "dsregcmd::")):
		p.boundary()
		p.logging = true
		return p.logLine(t, s)
	case accountStart(t) && (!p.begun || p.outside || p.logEnd || hasPrefixFold(t, "Call ")):
		p.boundary()
		p.listing = true
		p.accountLine(t, s)
		return true
	}
	return false
}

// logStart recognises the first line of /debug output: the logger's own
// message, "Func::Name: …", or the names of the pre-check block.
func logStart(t string) bool {
	if strings.HasPrefix(t, "dsregcmd::") || strings.HasPrefix(t, "preCheckResult:") || strings.HasPrefix(t, "PreJoinChecks ") ||
		strings.HasPrefix(t, "AdalLog:") || strings.HasPrefix(t, "ERROR PrivateKeySignTest") || strings.HasPrefix(t, "DsrDeviceAutoJoin ") {
		return true
	}
	i := strings.Index(t[:min(len(t), 64)], "::")
	return i > 0 && i+2 < len(t) && identifier(t[:i]) && t[0] >= 'A' && t[0] <= 'Z' && t[i+2] >= 'A' && t[i+2] <= 'Z'
}

func identifier(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// logLine files one line of the log as a row of the section "log".
func (p *parser) logLine(t, s string) bool {
	if e, _, _ := p.match(t, max(strings.IndexByte(t, ':'), 0)); e >= 0 && catalog[e].Section == SecDeviceState && strings.Contains(t, " : ") {
		return false // AzureAdJoined and EnterpriseJoined after the end mark
	}
	if classify(t) != TextOther {
		p.logging = false
		return false
	}
	label, value := "", t
	if i := logColon(t); i > 0 && i <= 64 {
		label, value = t[:i], strings.TrimSpace(t[i+1:])
	}
	switch {
	case t == "DSREGCMD_END_STATUS":
		p.logEnd = true
	case strings.HasPrefix(t, "preCheckResult"), strings.HasPrefix(t, "DsrCmdJoin"), strings.HasPrefix(t, "TenantInfo::"), strings.HasPrefix(t, "AutoEnroll"),
		strings.HasPrefix(t, "Join "), strings.HasPrefix(t, "DsrDeviceAutoJoin"), strings.HasPrefix(t, "AdalLog"), containsFold(label, "leave"), containsFold(label, "unjoin"):
		p.logJoin = true
	}
	p.special1(SecLog, label, value, s)
	return true
}

// logColon finds the colon after the name of a log line, which is not one of "::".
func logColon(t string) int {
	for i := 0; i < len(t) && i <= 64; i++ {
		if t[i] != ':' {
			continue
		}
		if i+1 < len(t) && t[i+1] == ':' {
			i++
			continue
		}
		return i
	}
	return -1
}

func accountStart(t string) bool {
	return strings.HasPrefix(t, "Call ListAccounts") || strings.HasPrefix(t, "Call CleanupAccounts") || t == "User accounts:" || t == "Application accounts:" || strings.HasPrefix(t, "Account: u:")
}

func (p *parser) accountLine(t, s string) {
	label, value := "", t
	if i := strings.IndexByte(t, ':'); i > 0 && i <= 64 {
		label, value = t[:i], strings.TrimSpace(t[i+1:])
	}
	p.special1(SecAccounts, label, value, s)
}

func (p *parser) special1(sec Section, label, value, s string) {
	if !p.room() {
		return
	}
	p.measure(s)
	p.content()
	p.outside, p.blank, p.inBox, p.opened = false, false, false, false
	p.push(sectionTitles[sec], label, value, 0)
	p.lastRow, p.wrapOpen = -1, false
}
