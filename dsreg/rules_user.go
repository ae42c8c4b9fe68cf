package dsreg

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// staleAfter is the age at which a token should have been renewed: renewal
// happens about every four hours of use.
const staleAfter = 4 * time.Hour

// tokenDevice reports a device whose user can have a token of Microsoft Entra ID.
func tokenDevice(c *Case) bool {
	return isStatus(c) && (c.Join.State == EntraJoined || c.Join.State == HybridJoined)
}

// tokenRows reports a capture whose token rows may be judged: joined, or a
// fragment that has them and not the device state.
func tokenRows(c *Case) bool {
	return tokenDevice(c) || isStatus(c) && c.Join.State == Undetermined && c.Status.SSO.AzureAdPrt.Present() && !noDeviceCert(c)
}

// noDeviceCert reports a fragment whose other rows show that the device is not
// joined: the authority is NO where there is no device certificate.
func noDeviceCert(c *Case) bool {
	return c.Status.SSO.AzureAdPrtAuthority.Says("NO") || c.Status.Ngc.IsDeviceJoined.No()
}

// entraAttempt returns the newest failed attempt for the token of Microsoft Entra ID.
func entraAttempt(c *Case) *PRTAttempt { return attemptOf(c, OwnerEntra, OwnerUnknown) }

func attemptOf(c *Case, owners ...PRTOwner) *PRTAttempt {
	for i := range slices.Backward(c.Status.SSO.Attempts) {
		if a := &c.Status.SSO.Attempts[i]; slices.Contains(owners, a.Owner) {
			return a
		}
	}
	return nil
}

func (a *PRTAttempt) cells() []*Cell {
	return []*Cell{&a.Marker.Cell, &a.PreviousPrtAttempt.Cell, &a.AttemptStatus.Cell, &a.UserIdentity.Cell, &a.EndpointURI.Cell, &a.HTTPError.Cell, &a.HTTPStatus.Cell, &a.ServerErrorCode.Cell, &a.ServerErrorDescription.Cell}
}

// explain adds what an attempt says: the server's word first, then the transport, then the status.
func (a *PRTAttempt) explain(f Finding) Finding {
	desc := a.ServerErrorDescription.Raw
	if t, ok := ExplainText(desc); ok {
		f.Code = t.Code
		if t.Meaning != "" {
			f.Cause, f.Remedy = join(f.Cause, t.Code+": "+t.Meaning), t.Remedy
		} else {
			f.Cause = join(f.Cause, "The server answered "+t.Code+".")
		}
		if t.Expects && f.Transient == Maybe {
			f.Transient = Yes
		}
	}
	switch {
	case f.Code != "":
	case a.HTTPError.Value != 0:
		f = f.fromCode(a.HTTPError.Value)
	case a.AttemptStatus.Value != 0:
		f = f.fromCode(a.AttemptStatus.Value)
	case a.Marker.Code != 0:
		f = f.fromCode(a.Marker.Code)
	}
	return f
}

// suffixProblem reports an attempt that failed because the domain of the
// user's name is not known to Microsoft Entra ID.
func suffixProblem(a *PRTAttempt) bool {
	if a == nil {
		return false
	}
	code := ServerCode(a.ServerErrorDescription.Raw)
	return code == "AADSTS90002" || code == "" && (a.AttemptStatus.Value == 0xc000005f || a.AttemptStatus.Value == 0xc004844c)
}

// onPremisesAdmin reports an account that is not synchronised on purpose: one
// the caller named, or the built-in Administrator of a domain that the cloud does not know.
func onPremisesAdmin(c *Case, a *PRTAttempt) bool {
	if a == nil || a.UserIdentity.State != Set {
		return c.Expect.unsynchronised(c.Status.Diagnostics.ExecutingAccountName.UPN) && c.Status.Diagnostics.ExecutingAccountName.UPN != ""
	}
	id := a.UserIdentity.Raw
	if c.Expect.unsynchronised(id) {
		return true
	}
	user, _, _ := strings.Cut(id, "@")
	code := ServerCode(a.ServerErrorDescription.Raw)
	return strings.EqualFold(user, "administrator") && (suffixProblem(a) || code == "AADSTS50034")
}

func userRules() []Rule {
	clock := func(c *Case) bool {
		return tokenRows(c) && !c.Clock.IsZero() && c.Status.SSO.AzureAdPrt.Yes()
	}
	confidence := func(c *Case) Confidence {
		if c.ClockGiven {
			return Medium
		}
		return High
	}
	return []Rule{
		{ID: "prt-missing", Title: "The user has no primary refresh token", Phase: PhasePRT, Severity: Error, Source: srcPRT, User: true,
			Applies: func(c *Case) bool {
				return tokenRows(c) && !c.Context.LocalAccount && (c.Status.SSO.AzureAdPrt.State == Set || c.Status.SSO.AzureAdPrt.State == Failed)
			},
			Check: func(c *Case, report func(Finding)) {
				prt := &c.Status.SSO.AzureAdPrt
				a := entraAttempt(c)
				if prt.Yes() || suffixProblem(a) {
					return // upn-unverified-suffix is the exact finding
				}
				f := Finding{Rows: c.Cells(&prt.Cell, &c.Status.SSO.AzureAdPrtAuthority.Cell), Cause: "AzureAdPrt is not YES, so single sign-on to Microsoft Entra ID and device-based conditional access do not work for this user.",
					Remedy: "Lock and unlock with a password, then check again; see the event log AAD/Operational."}
				if prt.State == Failed && prt.Code != 0 {
					f = f.fromCode(prt.Code)
				}
				if a != nil {
					f.Rows = uniqueRows(c.Cells(append(a.cells(), &prt.Cell)...))
					f = a.explain(f)
				} else {
					f.Confidence = Medium
				}
				if onPremisesAdmin(c, a) {
					f.Severity, f.Cause = Info, "Expected for an account that is not synchronised to Microsoft Entra ID. "+f.Cause
				} else if c.Join.State == Undetermined {
					f.Severity, f.Confidence = Warning, Low
					f.Cause = join(f.Cause, "The capture does not show whether the device is joined; on a device that is not, this is normal.")
					if a != nil {
						f.Severity, f.Confidence = Error, Medium // somebody tried
						f.Cause = strings.TrimSuffix(f.Cause, " The capture does not show whether the device is joined; on a device that is not, this is normal.")
					}
				}
				report(f)
			}},
		{ID: "prt-expired", Title: "The primary refresh token has expired", Phase: PhasePRT, Severity: Error, Source: srcOwn, User: true, Applies: clock,
			Check: func(c *Case, report func(Finding)) {
				s := &c.Status.SSO
				if e := &s.AzureAdPrtExpiryTime; e.State == Set && e.Time.Before(c.Clock) && !s.AzureAdPrtUpdateTime.Time.After(e.Time) {
					report(Finding{Rows: c.Cells(&s.AzureAdPrt.Cell, &e.Cell), Cause: "It expired " + e.Time.Format(time.RFC3339) + ", before " + c.Clock.UTC().Format(time.RFC3339) + ".", Remedy: "Sign in with a password while Microsoft Entra ID can be reached.", Confidence: confidence(c)})
				}
			}},
		{ID: "prt-stale", Title: "The primary refresh token was not renewed in time", Phase: PhasePRT, Severity: Warning, Source: srcPRT, User: true, Applies: clock,
			Check: func(c *Case, report func(Finding)) {
				s := &c.Status.SSO
				u, e := &s.AzureAdPrtUpdateTime, &s.AzureAdPrtExpiryTime
				if u.State != Set || c.Clock.Sub(u.Time) <= staleAfter || e.State == Set && e.Time.Before(c.Clock) {
					return
				}
				report(Finding{Rows: c.Cells(&s.AzureAdPrt.Cell, &u.Cell), Cause: fmt.Sprintf("The last renewal is %s old; it happens about every four hours of use. A device that was asleep or offline shows the same.", short(c.Clock.Sub(u.Time).Round(time.Minute))), Remedy: "Lock and unlock, then check again.", Transient: Maybe, Confidence: Medium})
			}},
		{ID: "prt-inconsistent", Title: "The token expires before it was issued", Phase: PhasePRT, Severity: Info, Source: srcHybrid, User: true, Applies: tokenRows,
			Check: func(c *Case, report func(Finding)) {
				s := &c.Status.SSO
				if u, e := &s.AzureAdPrtUpdateTime, &s.AzureAdPrtExpiryTime; u.State == Set && e.State == Set && e.Time.Before(u.Time) {
					report(Finding{Rows: c.Cells(&u.Cell, &e.Cell), Cause: "The capture was edited, or a clock was changed in between.", Remedy: "Take the capture again.", Confidence: Medium})
				}
			}},
		{ID: "prt-renewal-failing", Title: "A later attempt to get the token failed", Phase: PhasePRT, Severity: Warning, Source: srcDsregcmd + ", SSO state", User: true, Applies: tokenRows,
			Check: func(c *Case, report func(Finding)) {
				a := entraAttempt(c)
				if a == nil || !c.Status.SSO.AzureAdPrt.Yes() {
					return
				}
				f := Finding{Rows: uniqueRows(c.Cells(append(a.cells(), &c.Status.SSO.AzureAdPrt.Cell)...)), Cause: "The token is valid until it expires, but an attempt after its last renewal failed.", Remedy: "Act before it expires."}
				if a.Disputed {
					f.Confidence = Medium
				}
				report(a.explain(f))
			}},
		{ID: "prt-other-user", Title: "The failed attempt was another user's", Phase: PhasePRT, Severity: Info, Source: srcDsregcmd + ", SSO state", User: true, Applies: tokenRows,
			Check: func(c *Case, report func(Finding)) {
				me := c.Status.Diagnostics.ExecutingAccountName.UPN
				for i := range c.Status.SSO.Attempts {
					id := &c.Status.SSO.Attempts[i].UserIdentity
					if me != "" && id.State == Set && strings.Contains(id.Raw, "@") && !strings.EqualFold(id.Raw, me) {
						report(Finding{Rows: c.Cells(&id.Cell, &c.Status.Diagnostics.ExecutingAccountName.Cell), Cause: "On a shared device the record may be of a user other than the one who ran the command.", Remedy: "Judge the attempt by its own user.", Transient: No})
						return
					}
				}
			}},
		{ID: "prt-not-applicable", Title: "No token is expected here", Phase: PhasePRT, Severity: Info, Source: srcDsregcmd + ", SSO state; MicrosoftDocs/azure-docs#34621", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				prt := &c.Status.SSO.AzureAdPrt
				switch {
				case !prt.No() && prt.State != Failed:
				case c.Context.LocalAccount:
					report(Finding{Rows: c.Cells(&prt.Cell, &c.Status.Diagnostics.ExecutingAccountName.Cell), Cause: "A local account ran the command; it cannot have a token of Microsoft Entra ID.", Remedy: "Run it as a user of the tenant.", Transient: No})
				case c.Join.State == Undetermined && noDeviceCert(c):
					report(Finding{Rows: c.Cells(&prt.Cell, &c.Status.SSO.AzureAdPrtAuthority.Cell, &c.Status.Ngc.IsDeviceJoined.Cell), Cause: "The device has no device certificate, so it is not joined to Microsoft Entra ID, and no user of it has a token.", Remedy: "Nothing.", Transient: No, Confidence: Medium})
				case c.Join.State == NotJoined, c.Join.State == Registered, c.Join.State == DomainJoined, c.Join.State == DomainJoinedRegistered, c.Join.State == DRSJoined:
					report(Finding{Rows: c.Cells(&prt.Cell), Cause: "The row is about devices joined to Microsoft Entra ID only; this one is: " + c.Join.State.Title() + ".", Remedy: "Nothing.", Transient: No})
				}
			}},
		{ID: "enterprise-prt-failing", Title: "The token of AD FS could not be acquired", Phase: PhasePRT, Severity: Warning, Source: "Microsoft Q&A 591928; " + srcDsregcmd, User: true, Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				a := attemptOf(c, OwnerEnterprise)
				if a == nil {
					return
				}
				f := Finding{Rows: uniqueRows(c.Cells(append(a.cells(), &c.Status.SSO.EnterprisePrt.Cell)...)), Cause: "The failed attempt is about the enterprise token of AD FS; sign-on to Microsoft Entra ID is not affected.",
					Remedy: "Needed for certificate trust with AD FS only: check device write-back and AD FS device registration."}
				if c.Expect.Trust != "" && c.Expect.Trust != TrustCertificate {
					f.Severity = Info
				}
				report(a.explain(f))
			}},
		{ID: "upn-unverified-suffix", Title: "The domain of the user's name is not known to Microsoft Entra ID", Phase: PhasePRT, Severity: Error, Source: srcPRT + "; lab report", User: true, Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				a := entraAttempt(c)
				if !suffixProblem(a) {
					return
				}
				f := Finding{Rows: uniqueRows(c.Cells(append(a.cells(), &c.Status.SSO.AzureAdPrt.Cell)...)), Transient: No, Code: ServerCode(a.ServerErrorDescription.Raw),
					Cause:  "The UPN suffix is not a verified domain of the tenant (for example .local), or the account is not synchronised.",
					Remedy: "Give the user a verified UPN suffix, or use Alternate Login ID. Ignore it for administrators that are not synchronised."}
				if f.Code == "" {
					f.Code = a.AttemptStatus.Value.String()
				}
				if onPremisesAdmin(c, a) {
					f.Severity, f.Cause = Info, "Expected for an account that is not synchronised to Microsoft Entra ID."
					f.Remedy = "Judge single sign-on with a synchronised user."
				}
				report(f)
			}},
		{ID: "wam-error-context", Title: "The default account could not be read", Phase: PhaseUser, Severity: Info, Source: srcDsregcmd + ", user state", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				w := &c.Status.User.WamDefaultSet
				if w.State != Failed {
					return
				}
				f := Finding{Rows: c.Cells(&w.Cell), Cause: "WamDefaultSet is an error: usual in elevated runs, remote shells and on computers without a work account.", Remedy: "Run it again un-elevated, as the signed-in user.", Transient: Maybe, Confidence: Medium}
				if w.Code != 0 {
					f = f.fromCode(w.Code)
				}
				report(f)
			}},
		{ID: "wam-consumer-default", Title: "The default account is a personal one", Phase: PhaseUser, Severity: Info, Source: srcDsregcmd + ", user state", User: true, Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				u := &c.Status.User
				if u.WamDefaultAuthority.Is("consumers") || strings.EqualFold(u.WamDefaultGUID.Name, "MicrosoftAccount") {
					report(Finding{Rows: c.Cells(&u.WamDefaultAuthority.Cell, &u.WamDefaultGUID.Cell), Cause: "The Web Account Manager's default is a Microsoft account, not a work account.", Remedy: "Sign in to Windows with the work account, or choose it as the default.", Transient: No})
				}
			}},
		{ID: "onprem-tgt-missing", Title: "There is no cloud Kerberos ticket for on-premises resources", Phase: PhasePRT, Severity: Warning, Source: srcDsregcmd + ", SSO state", User: true,
			Applies: func(c *Case) bool { return tokenRows(c) && c.Expect.Trust == TrustCloudKerberos },
			Check: func(c *Case, report func(Finding)) {
				if t := &c.Status.SSO.OnPremTgt; t.No() {
					report(Finding{Rows: c.Cells(&t.Cell, &c.Status.SSO.AzureAdPrt.Cell), Cause: "Cloud Kerberos trust is wanted, and OnPremTgt is NO: there is no Microsoft Entra Kerberos object in the domain, or the user signed in with a password only.", Remedy: "Check the Microsoft Entra Kerberos server object, then sign in with Windows Hello.", Transient: Maybe})
				}
			}},
		{ID: "cloud-tgt-missing", Title: "There is no cloud ticket although there is a token", Phase: PhasePRT, Severity: Info, Source: "common knowledge, unverified", User: true, Applies: tokenRows,
			Check: func(c *Case, report func(Finding)) {
				if t := &c.Status.SSO.CloudTgt; t.No() && c.Status.SSO.AzureAdPrt.Yes() {
					report(Finding{Rows: c.Cells(&c.Status.SSO.AzureAdPrt.Cell, &t.Cell), Cause: "Unusual: the cloud ticket normally comes with the token.", Remedy: "dsregcmd /refreshprt, or lock and unlock.", Confidence: Low})
				}
			}},
	}
}
