package dsreg

import (
	"strings"
)

// A JoinLog is what /debug, /join /debug and /debug /leave print: the trace of
// an attempt to join or to leave. Every line is also a row of
// Status.Fields with the section "log".
type JoinLog struct {
	Complete bool // the end mark DSREGCMD_END_STATUS was printed
	Leave    bool // the trace is of /leave; no published sample was found, so this rests on the word in the function names

	PreCheck struct {
		Result            Text // "Join" when an attempt follows
		IsPrivateKeyFound Flag
		IsJoined          Flag
		IsDCAvailable     Flag
		IsSystem          Flag
		KeyProvider       Text
		KeyContainer      Text
		DsrInstance       Text
		ResultCode        ErrorCode
	}

	TenantType string // Federated, Managed
	AutoJoin   Tri    // AutoJoinEnabled
	TenantID   string // as printed; often a placeholder
	TenantName string

	// SCP is set when the registration data could not be read from Active Directory.
	SCP ErrorCode
	// Adal is the first failure of the sign-in library, by its own row or the fatal line.
	Adal          ErrorCode
	AdalMessage   Text
	CorrelationID GUID

	TokenError     ErrorCode // inner code of a failed token request of the computer
	FederatedError ErrorCode // code with which the federated join gave up
	SyncError      ErrorCode // code of the synchronised join that was tried then
	SyncTried      bool

	RequestID    Text
	ResponseTime Text
	HTTPStatus   Number
	ErrorCode    Text // the registration service's word: DirectoryError, …
	Message      Text
}

// readLog makes the typed log from its rows.
func readLog(fields []Field) *JoinLog {
	l := &JoinLog{}
	for i := range fields {
		f := &fields[i]
		if f.Section != sectionTitles[SecLog] {
			continue
		}
		line, row := int32(f.Line), int32(i+1)
		if containsFold(f.Label, "leave") || containsFold(f.Label, "unjoin") {
			l.Leave = true
		}
		code := func(dst *ErrorCode, text string) {
			if c, ok := firstCode(text); ok && strings.Trim(c, "0x") != "" {
				fill(dst, c, line, row)
			}
		}
		plain := func(dst value) {
			if !strings.EqualFold(f.Value, "undefined") {
				fill(dst, f.Value, line, row)
			}
		}
		switch f.Label {
		case "preCheckResult":
			plain(&l.PreCheck.Result)
		case "isPrivateKeyFound":
			plain(&l.PreCheck.IsPrivateKeyFound)
		case "isJoined":
			plain(&l.PreCheck.IsJoined)
		case "isDcAvailable":
			plain(&l.PreCheck.IsDCAvailable)
		case "isSystem":
			plain(&l.PreCheck.IsSystem)
		case "keyProvider":
			plain(&l.PreCheck.KeyProvider)
		case "keyContainer":
			plain(&l.PreCheck.KeyContainer)
		case "dsrInstance":
			plain(&l.PreCheck.DsrInstance)
		case "resultCode":
			plain(&l.PreCheck.ResultCode)
		case "TenantInfo::Discover":
			if strings.Contains(f.Value, "Failed reading registration data") {
				code(&l.SCP, f.Value)
			}
			l.joinInfo(f.Value)
		case "AdalErrorCode":
			fill(&l.Adal, f.Value, line, row)
		case "AdalCorrelationId":
			fill(&l.CorrelationID, f.Value, line, row)
		case "LogFatalAuthError":
			fill(&l.AdalMessage, strings.TrimSpace(strings.TrimPrefix(f.Value, "AdalMessage:")), line, row)
		case "AutoEnrollAsComputer":
			code(&l.TokenError, f.Value)
		case "DsrCmdJoinHelper::Join":
			switch {
			case strings.Contains(f.Value, "AutoEnrollSync"):
				l.SyncTried = true
				code(&l.SyncError, f.Value)
			case strings.Contains(f.Value, "join failed"):
				code(&l.FederatedError, f.Value)
				l.SyncTried = l.SyncTried || strings.Contains(f.Value, "Try synchronized join")
			}
		case "Join request ID":
			plain(&l.RequestID)
		case "Join response time":
			plain(&l.ResponseTime)
		case "Join HTTP status":
			plain(&l.HTTPStatus)
		case "Join error code":
			plain(&l.ErrorCode)
		case "Join message":
			plain(&l.Message)
		case "":
			if f.Value == "DSREGCMD_END_STATUS" {
				l.Complete = true
			}
			if strings.HasPrefix(f.Value, "DsrDeviceAutoJoin failed") {
				code(&l.SyncError, f.Value)
			}
		}
	}
	return l
}

// joinInfo reads "Join Info { TenantType = …; AutoJoinEnabled = 1; TenandID = …; TenantName = … }".
// The program spells TenantID with a d; both spellings are read.
func (l *JoinLog) joinInfo(s string) {
	_, s, ok := strings.Cut(s, "{")
	if !ok {
		return
	}
	s, _, _ = strings.Cut(s, "}")
	for part := range strings.SplitSeq(s, ";") {
		k, v, _ := strings.Cut(part, "=")
		v = strings.TrimSpace(v)
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "tenanttype":
			l.TenantType = v
		case "autojoinenabled":
			if v == "1" {
				l.AutoJoin = Yes
			} else if v == "0" {
				l.AutoJoin = No
			}
		case "tenandid", "tenantid":
			l.TenantID = v
		case "tenantname":
			l.TenantName = v
		}
	}
}

// firstCode returns the first 0x… in s.
func firstCode(s string) (text string, ok bool) {
	i := strings.Index(s, "0x")
	if i < 0 {
		return "", false
	}
	end := i + 2
	for end < len(s) && end < i+10 && unhex(s[end]) < 16 {
		end++
	}
	return s[i:end], end > i+2
}

// An AccountList is what /listaccounts and /cleanupaccounts print: the
// accounts of the Web Account Manager. Every line is also a row of
// Status.Fields with the section "accounts".
type AccountList struct {
	Cleanup    bool // the accounts were removed, not only listed
	Users      []WAMAccount
	Apps       []WAMAccount
	UsersFound Number
	AppsFound  Number
	Default    WAMAccount // zero if none was printed
	Failures   int        // removals that did not end in 0
	HasDefault bool
}

// A WAMAccount is one account line.
type WAMAccount struct {
	Handle    string
	User      string
	Authority string
	Removed   bool
	Result    ErrorCode // of the removal
	Line      int
}

func readAccounts(fields []Field) *AccountList {
	l := &AccountList{}
	apps := false
	group := func() *[]WAMAccount {
		if apps {
			return &l.Apps
		}
		return &l.Users
	}
	for i := range fields {
		f := &fields[i]
		if f.Section != sectionTitles[SecAccounts] {
			continue
		}
		switch f.Label {
		case "User accounts":
			apps = false
		case "Application accounts":
			apps = true
		case "Account", "Removing account":
			a := wamAccount(f)
			a.Removed = f.Label == "Removing account"
			l.Cleanup = l.Cleanup || a.Removed
			*group() = append(*group(), a)
		case "Remove account result":
			if g := *group(); len(g) > 0 {
				fill(&g[len(g)-1].Result, strings.TrimSuffix(f.Value, "."), int32(f.Line), int32(i+1))
				if g[len(g)-1].Result.Value != 0 {
					l.Failures++
				}
			}
		case "Accounts found":
			n := &l.UsersFound
			if apps {
				n = &l.AppsFound
			}
			fill(n, strings.TrimSuffix(f.Value, "."), int32(f.Line), int32(i+1))
		case "Default account":
			l.Default, l.HasDefault = wamAccount(f), true
		case "":
			if hasPrefixFold(f.Value, "Call CleanupAccounts") {
				l.Cleanup = true
			}
		}
	}
	return l
}

// wamAccount reads "<handle>, user: <upn>, authority: <url>."
func wamAccount(f *Field) WAMAccount {
	a := WAMAccount{Line: f.Line}
	s := strings.TrimSuffix(f.Value, ".")
	if i := strings.LastIndex(s, ", authority: "); i >= 0 {
		a.Authority, s = s[i+len(", authority: "):], s[:i]
	}
	if i := strings.LastIndex(s, ", user: "); i >= 0 {
		a.User, s = s[i+len(", user: "):], s[:i]
	}
	a.Handle = s
	return a
}
