package dsreg

import (
	"fmt"
	"time"
)

// certWarning is how long before its end a device certificate is reported.
const certWarning = 30 * 24 * time.Hour

// joined reports a device that is, or may be, joined to Microsoft Entra ID.
func joined(c *Case) bool {
	return isStatus(c) && (c.Join.State == EntraJoined || c.Join.State == HybridJoined || c.Join.State == Undetermined || c.Join.State == DRSJoined)
}

func rejoinRemedy(c *Case) string {
	switch c.Join.State {
	case HybridJoined:
		return "dsregcmd /leave in an elevated prompt, restart, and let synchronisation and the task Automatic-Device-Join register it again."
	case EntraJoined:
		return "Join the device again (Settings, Accounts, Access work or school)."
	}
	return "Register the device again by its join type."
}

func deviceRules() []Rule {
	clock := func(c *Case) bool {
		return joined(c) && !c.Clock.IsZero() && c.Status.Details.DeviceCertificateValidity.State == Set
	}
	confidence := func(c *Case) Confidence {
		if c.ClockGiven {
			return Medium // the caller's word for when the capture was taken
		}
		return High
	}
	return []Rule{
		{ID: "device-disabled-or-deleted", Title: "The device object is disabled or deleted in Microsoft Entra ID", Phase: PhasePostJoin, Severity: Error, Source: srcDsregcmd + ", device details", Applies: joined,
			Check: func(c *Case, report func(Finding)) {
				a := &c.Status.Details.DeviceAuthStatus
				if a.Result != AuthRejected {
					return
				}
				report(Finding{Rows: c.Cells(&a.Cell, &c.Status.Details.DeviceID.Cell, &c.Status.Device.AzureAdJoined.Cell), Transient: No,
					Cause:  "The device believes that it is joined (AzureAdJoined is a local record), but its object was disabled or removed.",
					Remedy: "If it is disabled, enable the object. If it was deleted: " + rejoinRemedy(c)})
			}},
		{ID: "device-auth-untested", Title: "Whether the device object is valid could not be checked", Phase: PhasePostJoin, Severity: Info, Source: srcDsregcmd + ", device details", Applies: joined,
			Check: func(c *Case, report func(Finding)) {
				a := &c.Status.Details.DeviceAuthStatus
				if a.Result != AuthNotTested {
					return
				}
				f := Finding{Rows: c.Cells(&a.Cell), Cause: "The check against Microsoft Entra ID failed on its way; it says nothing about the device object.", Remedy: "Repeat it with a working network."}
				if a.Code != 0 {
					f = f.fromCode(a.Code)
				}
				report(f)
			}},
		{ID: "key-unusable", Title: "The device key cannot sign", Phase: PhasePostJoin, Severity: Error, Source: srcDsregcmd + ", post-join diagnostics", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				k := &c.Status.Diagnostics.Post.KeySignTest
				if k.Result != Fail {
					return
				}
				key := k.Key
				if key == "" {
					key = "unknown key"
				}
				report(Finding{Rows: c.Cells(&k.Cell, &c.Status.Details.KeyProvider.Cell, &c.Status.Details.TpmProtected.Cell), Transient: No,
					Cause:  "The test of the " + key + " failed: the TPM was cleared, the board changed, or the image was cloned from a joined device.",
					Remedy: "Sign in again; a hybrid joined device recovers by itself. Otherwise: " + rejoinRemedy(c)})
			}},
		{ID: "key-untested", Title: "The device key was not tested", Phase: PhasePostJoin, Severity: Info, Source: srcHybrid, Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				if k := &c.Status.Diagnostics.Post.KeySignTest; k.State == NotTested {
					report(Finding{Rows: c.Cells(&k.Cell), Cause: "This build tests the key in elevated runs only.", Remedy: "Run dsregcmd /status elevated if the key is in doubt.", Transient: No})
				}
			}},
		{ID: "recovery-pending", Title: "The device will register again at the next sign-in", Phase: PhasePostJoin, Severity: Warning, Source: srcDsregcmd + ", post-join diagnostics", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				a, b := &c.Status.Diagnostics.Post.AadRecoveryEnabled, &c.Status.Ngc.AadRecoveryNeeded
				if a.Yes() || b.Yes() {
					var cells []*Cell
					for _, f := range []*Flag{a, b} {
						if f.Yes() {
							cells = append(cells, &f.Cell)
						}
					}
					report(Finding{Rows: c.Cells(cells...), Cause: "The keys of the device are unusable and it is marked for recovery.", Remedy: "Sign out and in, then run the check again.", Transient: Yes})
				}
			}},
		{ID: "cert-expired", Title: "The device certificate has expired", Phase: PhasePostJoin, Severity: Error, Source: srcOwn, Applies: clock,
			Check: func(c *Case, report func(Finding)) {
				if v := &c.Status.Details.DeviceCertificateValidity; c.Clock.After(v.End) {
					report(Finding{Rows: c.Cells(&v.Cell), Cause: "It ended " + v.End.Format(time.RFC3339) + ", before " + c.Clock.UTC().Format(time.RFC3339) + ".", Remedy: rejoinRemedy(c), Transient: No, Confidence: confidence(c)})
				}
			}},
		{ID: "cert-expiring", Title: "The device certificate ends soon", Phase: PhasePostJoin, Severity: Warning, Source: srcOwn, Applies: clock,
			Check: func(c *Case, report func(Finding)) {
				if v := &c.Status.Details.DeviceCertificateValidity; !c.Clock.After(v.End) && v.End.Sub(c.Clock) < certWarning {
					report(Finding{Rows: c.Cells(&v.Cell), Cause: fmt.Sprintf("It ends in %d days.", int(v.End.Sub(c.Clock).Hours()/24)), Remedy: rejoinRemedy(c), Transient: No, Confidence: confidence(c)})
				}
			}},
		{ID: "clock-skew", Title: "The device certificate is not valid yet", Phase: PhasePostJoin, Severity: Warning, Source: srcOwn, Applies: clock,
			Check: func(c *Case, report func(Finding)) {
				if v := &c.Status.Details.DeviceCertificateValidity; c.Clock.Before(v.Start) {
					report(Finding{Rows: c.Cells(&v.Cell), Cause: "It starts " + v.Start.Format(time.RFC3339) + ", after " + c.Clock.UTC().Format(time.RFC3339) + ": a clock is wrong.", Remedy: "Correct the time of the device, or the reference time that was given.", Confidence: Medium})
				}
			}},
		{ID: "key-software", Title: "The device key is not in a TPM", Phase: PhasePostJoin, Severity: Info, Source: srcDsregcmd + ", device details", Applies: joined,
			Check: func(c *Case, report func(Finding)) {
				if t := &c.Status.Details.TpmProtected; t.No() {
					report(Finding{Rows: c.Cells(&t.Cell, &c.Status.Details.KeyProvider.Cell), Cause: "The key is stored in software and can be copied. That is usual for virtual machines.", Remedy: "Decide by policy; on hardware, check why the TPM was not used.", Transient: No})
				}
			}},
		{ID: "dual-state", Title: "The device is hybrid joined and registered at once", Phase: PhasePostJoin, Severity: Warning, Source: "Microsoft support wiki on hybrid join", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				if c.Join.Dual {
					report(Finding{Rows: c.Join.Rows, Cause: "A work account was added before the hybrid join. The device has two objects, and conditional access may look at the wrong one.",
						Remedy: "Windows 10 1809 and later removes the registration by itself; otherwise remove the work account, and prevent new ones with BlockAADWorkplaceJoin.", Transient: Maybe})
				}
			}},
		{ID: "mdm-managed", Title: "The device is managed by MDM", Phase: PhasePostJoin, Severity: Info, Source: "lab notes", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				p := &c.Status.Diagnostics.Post
				for _, e := range []*Enum{&p.OsVersionUpdated, &p.DisplayNameUpdated, &p.HostNameUpdated} {
					if e.Is("Managed by MDM") {
						report(Finding{Rows: c.Cells(&e.Cell), Cause: "Attributes of the device object come from MDM. This tells more than MdmUrl, which may be empty on an enrolled device.", Remedy: "Nothing.", Transient: No, Confidence: Medium})
						return
					}
				}
			}},
		{ID: "hostname-update-failed", Title: "The device's name could not be uploaded", Phase: PhasePostJoin, Severity: Warning, Source: "observed on one recent build", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				h := &c.Status.Diagnostics.HostName
				if !h.Result.Is("FAIL") && h.Result.State != Failed {
					return
				}
				f := Finding{Rows: c.Cells(&h.Result.Cell, &h.ClientErrorCode.Cell, &h.ServerErrorCode.Cell, &h.ServerMessage.Cell), Cause: "The last upload of the host name failed. The join is not affected.", Remedy: "Nothing, unless it persists; then read the server message."}
				if code := h.ClientErrorCode.Value; code != 0 {
					f = f.fromCode(code)
				} else if h.Result.Code != 0 {
					f = f.fromCode(h.Result.Code)
				}
				report(f)
			}},
	}
}
