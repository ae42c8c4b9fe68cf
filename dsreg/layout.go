package dsreg

// A Layout is what the shape of a capture tells about its build. dsregcmd
// prints no version; rows are also brought to older builds by updates, so the
// range is a guess and no row is ever rejected because of it.
type Layout struct {
	Family string  // A, A1, A2, B, B1 to B6; "" where nothing tells
	Builds string  // range of builds in words
	Old    bool    // up to Windows 10 1803 and Windows Server 2016
	Rows   []Field // the rows that tell
}

// Layout infers the family of builds (from dated published captures and the
// "added in" notes of troubleshoot-device-dsregcmd; the borders of A2, B1 and B2 are approximate).
func (s *Status) Layout() Layout {
	cell := func(family, builds string, old bool, cells ...*Cell) (Layout, bool) {
		for _, c := range cells {
			if f, ok := s.rowOf(c); ok {
				return Layout{family, builds, old, []Field{f}}, true
			}
		}
		return Layout{}, false
	}
	p, n, d := &s.Diagnostics.Pre, &s.Ngc, &s.Diagnostics.Post
	if l, ok := cell("B6", "Windows 11 24H2, Windows Server 2025 and later", false, &p.KerberosTicketTest.Cell, &p.FallbackToFedJoin.Cell, &p.ServerErrorSubCode.Cell, &p.ServerOperation.Cell); ok {
		return l
	}
	if l, ok := cell("B5", "Windows 11 22H2 and later", false, &s.Device.VirtualDesktop.Cell); ok {
		return l
	}
	if l, ok := cell("B4", "Windows 11 21H2 and later, Windows 10 22H2", false, &s.SSO.OnPremTgt.Cell, &s.SSO.CloudTgt.Cell, &s.SSO.KerbTopLevelNames.Cell, &d.DisplayNameUpdated.Cell, &s.Diagnostics.HostName.Result.Cell); ok {
		return l
	}
	if l, ok := cell("B3", "Windows 10 21H1 and later", false, &s.Details.DeviceAuthStatus.Cell); ok {
		return l
	}
	if l, ok := cell("A1", "Windows 10 1607 and Windows Server 2016", true, &n.X509CertRequired.Cell); ok {
		return l
	}
	// In the old family the tokens stand in "User State" and the device data in "Device State".
	for _, f := range s.fields {
		if f.row == 0 {
			continue
		}
		home, here := catalog[f.row-1].Section, sectionOf(f.Section)
		if here == SecDeviceState && (home == SecDeviceDetails || home == SecTenantDetails || catalog[f.row-1].Type == TypeKeySign) ||
			here == SecUserState && (catalog[f.row-1].Name == "AzureAdPrt" || catalog[f.row-1].Name == "WorkplaceDeviceId") {
			if s.Details.DeviceCertificateValidity.Present() || s.Has(SecSSOState) || s.Has(SecDeviceDetails) || s.Has(SecTenantDetails) {
				continue // a current capture that somebody edited
			}
			return Layout{"A", "Windows 10 1803 and earlier, Windows Server 2016", true, []Field{f}}
		}
	}
	if l, ok := cell("A2", "about Windows 10 1709 to 1803", true, &n.AadRecoveryNeeded.Cell); ok {
		return l
	}
	attempt := func() (Layout, bool) {
		if len(s.SSO.Attempts) > 0 {
			a := &s.SSO.Attempts[0]
			return cell("B3", "Windows 10 21H1 and later", false, &a.Marker.Cell, &a.AttemptStatus.Cell, &a.UserIdentity.Cell)
		}
		return Layout{}, false
	}
	if l, ok := attempt(); ok {
		return l
	}
	if l, ok := cell("B2", "about Windows 10 2004 and later, Windows Server 2022", false, &s.Device.DeviceName.Cell, &s.Diagnostics.ExecutingAccountName.Cell, &s.Proxy.WinHTTP.AccessType.Cell, &s.Proxy.User.AutoDetectSettings.Cell); ok {
		return l
	}
	if l, ok := cell("B", "Windows 10 1809 and later, Windows Server 2019", false, &s.Details.DeviceCertificateValidity.Cell, &n.IsDeviceJoined.Cell, &d.AadRecoveryEnabled.Cell); ok {
		if s.Has(SecDeviceState) && s.Has(SecNgc) {
			l.Family, l.Builds = "B1", "about Windows 10 1809 to 1909, Windows Server 2019"
		}
		return l
	}
	if s.Has(SecSSOState) || s.Has(SecDeviceDetails) || s.Has(SecTenantDetails) {
		return Layout{Family: "B", Builds: "Windows 10 1809 and later, Windows Server 2019"}
	}
	return Layout{}
}
