package dsreg

import "strings"

// An owner knows whose row comes next: labels repeat, and only their place
// tells the owner.
type owner struct {
	st      *Status
	sec     Section
	number  int  // N of the current "Work Account N"
	newBox  bool // no row of the current box was filed yet
	current int  // index of the attempt that rows belong to, -1 for none
	side    PRTOwner
	host    bool // inside the block of "Last HostName Update"
}

// account returns the work account that the row belongs to.
func (o *owner) account() *WorkAccount {
	n := len(o.st.WorkAccounts)
	if n == 0 || o.sec == SecWorkAccount && o.newBox {
		o.st.WorkAccounts = append(o.st.WorkAccounts, WorkAccount{Number: max(o.number, 1)})
		n++
	}
	o.newBox = false
	return &o.st.WorkAccounts[n-1]
}

// mark begins an attempt at its marker row.
func (o *owner) mark(kind AttemptKind) *PRTAttempt {
	o.st.SSO.Attempts = append(o.st.SSO.Attempts, PRTAttempt{Owner: o.side, Kind: kind})
	o.current = len(o.st.SSO.Attempts) - 1
	return &o.st.SSO.Attempts[o.current]
}

// attempt returns the attempt that the row belongs to; fragments may lack the marker.
func (o *owner) attempt() *PRTAttempt {
	if o.current < 0 {
		return o.mark(AttemptUnknown)
	}
	return &o.st.SSO.Attempts[o.current]
}

func (o *owner) hostUpdate() *HostNameUpdate   { return &o.st.Diagnostics.HostName }
func (o *owner) lastHostName() *HostNameUpdate { return &o.st.Diagnostics.HostName }

func (o *owner) proxy() *ProxyConfig {
	if o.sec == SecProxySystem {
		return &o.st.Proxy.System
	}
	return &o.st.Proxy.User
}

// derive makes the typed model from the raw rows. It is the only way by which
// typed rows come to be, for Parse and for UnmarshalJSON.
func (s *Status) derive(x *labelIndex) {
	o := owner{st: s, current: -1}
	h, logs, accounts := 0, false, false
	for i := range s.fields {
		f := &s.fields[i]
		for h < len(s.headings) && s.headings[h].first <= i {
			o.sec, o.newBox, o.host, o.number = s.headings[h].Section, true, false, 0
			if o.sec == SecWorkAccount {
				o.number = trailingNumber(s.headings[h].Title)
			}
			h++
		}
		if f.row == 0 {
			switch {
			case o.sec == SecVirtualDesktop:
				s.VirtualDesktop.Pairs = append(s.VirtualDesktop.Pairs, *f)
			case f.Section == sectionTitles[SecLog]:
				logs = true
			case f.Section == sectionTitles[SecAccounts]:
				accounts = true
			}
			continue
		}
		e := &catalog[f.row-1]
		if side := x.side[f.row-1]; side != OwnerUnknown && side != o.side {
			o.side, o.current = side, -1
		}
		var v value
		switch {
		case o.host && e.host != nil:
			v = e.host(&o)
		case o.sec == SecProxyURL && e.Type == TypeAccount:
			v = &s.Proxy.URLAccount
		default:
			v = e.field(&o)
		}
		if !fill(v, f.Value, int32(f.Line), int32(i+1)) && o.current >= 0 && e.Section == SecSSOState && (f.Label == "Previous Prt Attempt" || f.Label == "Attempt Status") {
			// A second block whose marker is missing.
			o.mark(AttemptUnknown)
			fill(e.field(&o), f.Value, int32(f.Line), int32(i+1))
		}
		if e.Type == TypeEnum {
			o.checkEnum(x, f, e, v)
		}
	}
	for i := range s.SSO.Attempts {
		s.SSO.Attempts[i].believeEndpoint()
	}
	// The trap of the layout up to 1803: the rows describe the work account.
	// Current builds do not print them at all for a device that is not joined.
	if s.Device.AzureAdJoined.Present() && !s.Device.AzureAdJoined.Yes() && !s.Device.EnterpriseJoined.Yes() &&
		(s.Details.DeviceID.Present() || s.Details.Thumbprint.Present() || s.Tenant.TenantID.Present()) {
		s.OldRegistration = &OldRegistration{Details: s.Details, Tenant: s.Tenant}
		s.Details, s.Tenant = DeviceDetails{}, TenantDetails{}
	}
	switch {
	case logs:
		s.Log = readLog(s.fields)
	case accounts:
		s.Accounts = readAccounts(s.fields)
	}
	s.Kind = s.kind()
}

func (o *owner) checkEnum(x *labelIndex, f *Field, e *entry, v value) {
	en, ok := v.(*Enum)
	if !ok || en.row == 0 {
		return
	}
	for _, known := range x.enums[f.row-1] {
		if en.Raw == known {
			en.Known = true
			break
		}
	}
	if e.Name == "Last HostName Update" {
		o.host = !en.Is("NONE")
	}
}

// believeEndpoint compares the position of a block with its endpoint. AD FS
// issues the enterprise token at /adfs/oauth2; a path like
// /adfs/services/trust is a step of the Entra token in a federated domain.
func (a *PRTAttempt) believeEndpoint() {
	url := strings.ToLower(a.EndpointURI.Raw)
	hint := OwnerUnknown
	switch {
	case strings.Contains(url, "/adfs/oauth2"):
		hint = OwnerEnterprise
	case strings.Contains(url, "://login.microsoftonline."), strings.Contains(url, "://login.windows.net"):
		hint = OwnerEntra
	case a.Owner == OwnerUnknown && strings.Contains(url, "/adfs"):
		hint = OwnerEnterprise
	}
	if hint == OwnerUnknown || hint == a.Owner {
		return
	}
	a.Disputed = a.Owner != OwnerUnknown
	a.Owner = hint
}

func (s *Status) kind() Kind {
	switch {
	case s.Accounts != nil && s.Accounts.Cleanup:
		return KindCleanup
	case s.Accounts != nil:
		return KindAccounts
	case s.Log != nil && len(s.headings) == 0 && s.Log.Leave:
		return KindLeave
	case s.Log != nil && len(s.headings) == 0:
		return KindJoin
	case len(s.fields)+len(s.headings) > 0:
		return KindStatus
	}
	return 0
}

func trailingNumber(s string) int {
	n, scale := 0, 1
	for i := len(s) - 1; i >= 0 && s[i] >= '0' && s[i] <= '9' && scale < 1_000_000; i-- {
		n += int(s[i]-'0') * scale
		scale *= 10
	}
	return n
}
