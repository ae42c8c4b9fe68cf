package registry

import "fmt"

// CDJParams are an organisation's own values of the client-side service connection point.
type CDJParams struct {
	TenantID   string // the tenant's GUID: 36 characters, no braces; "" checks only the form
	TenantName string // a DNS domain verified in that tenant; "" checks only the form
}

// GuideCDJ returns the parameters that the hybrid guide for NHSmail gives (section 7.9). They are an example for everyone
// else.
func GuideCDJ() CDJParams {
	return CDJParams{TenantID: "37c354b2-85b0-47f5-b222-07b48d774ee3", TenantName: "NHS.net"}
}

const (
	cdjKey       = `SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD`
	wpjPolicyKey = `SOFTWARE\Policies\Microsoft\Windows\WorkplaceJoin`
	mdmPolicyKey = `SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\MDM`
	joinInfoKey  = `SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo`
	tenantsKey   = `SYSTEM\CurrentControlSet\Control\CloudDomainJoin\TenantInfo`
	userJoinKey  = `SOFTWARE\Microsoft\Windows NT\CurrentVersion\WorkplaceJoin\JoinInfo`
	enrolKey     = `SOFTWARE\Microsoft\Enrollments`
	ccmKey       = `SOFTWARE\Microsoft\CCM`
	kerberosKey  = `SYSTEM\CurrentControlSet\Control\Lsa\Kerberos\Parameters`
	kerbPolKey   = `SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\Kerberos\Parameters`
)

const (
	srcTargeted = `Microsoft Learn, "Microsoft Entra hybrid join targeted deployment"`
	srcPlan     = `Microsoft Learn, "Plan your Microsoft Entra hybrid join implementation"`
	srcWPJ      = `WorkplaceJoin.admx`
	srcMDM      = `MDM.admx, "Enable automatic MDM enrollment using default Microsoft Entra credentials"`
	srcKerb     = `Microsoft Learn, Microsoft Entra Kerberos and Policy CSP - Kerberos`
	srcState    = `keys that dsregcmd and Windows keep; seen in public scripts, not documented`
)

// CDJ returns the schema "cdj": the client-side service connection point, which tells a device its tenant before and instead of
// the one in Active Directory. Both values are required.
func CDJ(p CDJParams) Schema {
	s := Schema{
		Name:  "cdj",
		Title: "Client-side service connection point (CDJ\\AAD) for Microsoft Entra hybrid join",
		AfterChange: "The device reads the values at the next run of the task Automatic-Device-Join: at logon or within the hour. " +
			"With AD FS the same policy must reach the AD FS servers.",
		AfterRemoval: "A device that has joined stays joined: run dsregcmd /debug /leave on it and disable the task Automatic-Device-Join, " +
			"or it joins again through the service connection point of Active Directory.",
		Settings: []Setting{
			{
				Path: HKLM(cdjKey), Name: "TenantId", Type: TypeSZ, Required: true, Content: GUID,
				Why:         "tells the device which Microsoft Entra tenant to join; it is read before the service connection point in Active Directory",
				Consequence: "The device does not find its tenant (0x80070002, 0x801c001d) or tries another one (0x801c003a)",
				Remedy:      "deploy the tenant's identifier, 36 characters without braces, with a Group Policy Preferences registry item, action Update",
				Source:      srcTargeted,
			},
			{
				Path: HKLM(cdjKey), Name: "TenantName", Type: TypeSZ, Required: true, Content: DomainName,
				Why:         "names a domain verified in the tenant: the federated domain with AD FS, otherwise a managed or onmicrosoft.com domain",
				Consequence: "Discovery by that domain fails and the device does not join",
				Remedy:      "deploy a domain that is verified in the tenant with a Group Policy Preferences registry item, action Update",
				Source:      srcTargeted,
			},
			{
				Path: HKLM(`SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ`), Name: "FallbackToSyncJoin", Type: TypeDWord, OneOf: []uint64{0, 1},
				Default: DWord(1), Why: "whether a federated device falls back to synchronised join", Source: srcPlan, Basis: Reported,
			},
			{
				Path: HKLM(`SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ`), Name: "EnterpriseDrsName", Type: TypeSZ, Content: DomainName,
				Why: "the device registration service of AD FS", Source: srcPlan, Basis: Reported,
			},
		},
		Rules: []Rule{tenantRule(), registrationOffRule()},
	}
	setText(&s.Settings[0], p.TenantID)
	setText(&s.Settings[1], p.TenantName)
	return s
}

func setText(s *Setting, want string) {
	if want != "" {
		s.Want = String(want)
	}
}

// text returns the string of a value, "" if there is none.
func text(snap *Snapshot, p Path, name string) (string, Item) {
	it, _ := snap.Get(locate(snap, p), name)
	s, _ := it.Value.Text()
	return s, it
}

// number returns the number in a value; ok is false if there is none.
func number(snap *Snapshot, p Path, name string) (n uint64, it Item, ok bool) {
	it, ok = snap.Get(locate(snap, p), name)
	if !ok {
		return 0, it, false
	}
	n, err := it.Value.Uint()
	return n, it, err == nil
}

func contradiction(it Item, why, remedy string) Drift {
	return Drift{Kind: Contradictory, Severity: Failure, Path: it.Path, Name: it.Name, Got: show(it.Value), GotValue: it.Value, Why: why, Remedy: remedy, Origin: it.Origin}
}

func tenantRule() Rule {
	return Rule{
		ID: "cdj-joined-elsewhere", Title: "The device is joined to the tenant that is configured", Source: srcState, Basis: Observed,
		Reads: []Path{HKLM(cdjKey), HKLM(joinInfoKey)},
		Check: func(snap *Snapshot, report func(Drift)) {
			want, it := text(snap, HKLM(cdjKey), "TenantId")
			if guidFault(want) != "" {
				return
			}
			for p := range matches(snap, HKLM(joinInfoKey+`\*`)) {
				if got, _ := text(snap, p, "TenantId"); got != "" && !EqualFold(got, want) {
					report(contradiction(it, "the device is joined to tenant "+clip(got, 40)+" ("+p.Short()+")",
						"run dsregcmd /debug /leave; the device then joins the configured tenant"))
				}
			}
		},
	}
}

func registrationOffRule() Rule {
	return Rule{
		ID: "cdj-registration-off", Title: "Registration is not switched off where a tenant is configured", Source: srcWPJ, Basis: Unconfirmed,
		Reads: []Path{HKLM(cdjKey), HKLM(wpjPolicyKey)},
		Check: func(snap *Snapshot, report func(Drift)) {
			_, tenant := text(snap, HKLM(cdjKey), "TenantId")
			if n, it, ok := number(snap, HKLM(wpjPolicyKey), "autoWorkplaceJoin"); ok && n == 0 && !tenant.Path.IsZero() {
				report(contradiction(it, "a tenant is configured, but this policy keeps the device from registering",
					"remove the policy, or set it to 1 where the device is to join"))
			}
		},
	}
}

// Registration returns the schema "registration": automatic device registration and the block of a second, user-level
// registration that would give a hybrid joined device a dual state.
func Registration() Schema {
	return Schema{
		Name: "registration", Title: "Automatic device registration",
		Settings: []Setting{
			{
				Path: HKLM(wpjPolicyKey), Name: "autoWorkplaceJoin", Type: TypeDWord, OneOf: []uint64{0, 1},
				Why:         `policy "Register domain joined computers as devices"; Windows 10 and later register without it if a service connection point exists`,
				Consequence: "With 0 the device does not register", Source: srcWPJ,
			},
			{
				Path: HKLM(wpjPolicyKey), Name: "BlockAADWorkplaceJoin", Type: TypeDWord, OneOf: []uint64{0, 1}, Want: DWord(1),
				Why:         "keeps users from adding a work account that registers a hybrid joined device a second time (needs Windows 10 1803 with KB4489894 or later)",
				Consequence: "Users can give the device a dual state, Microsoft Entra registered beside hybrid joined",
				Remedy:      "set it by policy for hybrid joined devices", Source: srcPlan,
			},
		},
		Rules: []Rule{{
			ID: "registration-dual-state", Title: "No user-level registration beside the device join", Source: srcState, Basis: Observed,
			Reads: []Path{HKLM(joinInfoKey), HKCU(userJoinKey)},
			Check: func(snap *Snapshot, report func(Drift)) {
				joined := false
				for range matches(snap, HKLM(joinInfoKey+`\*`)) {
					joined = true
				}
				if n, _, ok := number(snap, HKLM(wpjPolicyKey), "BlockAADWorkplaceJoin"); !joined || ok && n == 1 {
					return
				}
				for p := range matches(snap, HKCU(userJoinKey+`\*`)) {
					report(Drift{Kind: Contradictory, Severity: Warning, Path: p,
						Why:    "the user is registered on a device that is joined itself: a dual state",
						Remedy: "disconnect the work account of the user and set BlockAADWorkplaceJoin"})
				}
			},
		}},
	}
}

// MDMParams choose how devices enrol.
type MDMParams struct {
	// DeviceCredential enrols with the device's credential, which Microsoft supports for co-management and Azure
	// Virtual Desktop multi-session only; false enrols with the user's.
	DeviceCredential bool
}

// MDM returns the schema "mdm": automatic enrolment in Intune by Group Policy.
func MDM(p MDMParams) Schema {
	credential := DWord(1)
	if p.DeviceCredential {
		credential = DWord(2)
	}
	key := HKLM(mdmPolicyKey)
	return Schema{
		Name: "mdm", Title: "Automatic MDM enrolment by Group Policy",
		Settings: []Setting{
			{
				Path: key, Name: "AutoEnrollMDM", Type: TypeDWord, OneOf: []uint64{0, 1}, Want: DWord(1),
				Why: "enrols the device in Intune", Consequence: "The device does not enrol; set to 0 it is un-enrolled", Source: srcMDM,
			},
			{
				Path: key, Name: "UseAADCredentialType", Type: TypeDWord, OneOf: []uint64{1, 2}, Want: credential, Default: DWord(1),
				Why: "1 enrols with the user's credential, 2 with the device's", Consequence: "Enrolment waits for a credential that never comes, or ties the device to a user", Source: srcMDM,
			},
			{
				Path: key, Name: "DisableRegistration", Type: TypeDWord, OneOf: []uint64{0, 1}, Default: DWord(0),
				Why: "1 forbids MDM enrolment", Source: srcMDM,
			},
		},
		Rules: []Rule{
			{
				ID: "mdm-disabled-registration", Title: "Enrolment is not asked for and forbidden at once", Source: srcMDM,
				Check: func(snap *Snapshot, report func(Drift)) {
					on, _, _ := number(snap, key, "AutoEnrollMDM")
					if off, it, _ := number(snap, key, "DisableRegistration"); on == 1 && off == 1 {
						d := contradiction(it, "AutoEnrollMDM is 1, but DisableRegistration forbids every enrolment", "remove DisableRegistration")
						d.Fix = Delta{{Op: DeleteValue, Path: key, Name: "DisableRegistration"}}
						report(d)
					}
				},
			},
			{
				ID: "mdm-device-credential", Title: "Device credential only with co-management", Source: srcMDM,
				Reads: []Path{HKLM(ccmKey)},
				Check: func(snap *Snapshot, report func(Drift)) {
					n, it, _ := number(snap, key, "UseAADCredentialType")
					if _, found := snap.Get(HKLM(ccmKey), "CoManagementFlags"); n == 2 && !found {
						d := contradiction(it, "device credential is supported for co-management and Azure Virtual Desktop multi-session only, and there is no CoManagementFlags value",
							"use the user's credential (1), unless this is Azure Virtual Desktop or co-management follows")
						d.Severity = Warning
						report(d)
					}
				},
			},
		},
	}
}

// CloudKerberos returns the schema "kerberos": retrieval of a cloud Kerberos ticket at logon.
func CloudKerberos() Schema {
	return Schema{
		Name: "kerberos", Title: "Cloud Kerberos ticket retrieval",
		Settings: []Setting{
			{
				Path: HKLM(kerberosKey), Name: "CloudKerberosTicketRetrievalEnabled", Type: TypeDWord, OneOf: []uint64{0, 1}, Want: DWord(1), Default: DWord(0),
				Why:         "fetches a Kerberos ticket-granting ticket of Microsoft Entra ID at logon, for Azure Files and similar services",
				Consequence: "Access to resources that use Microsoft Entra Kerberos fails", Source: srcKerb,
			},
			{
				Path: HKLM(kerbPolKey), Name: "CloudKerberosTicketRetrievalEnabled", Type: TypeDWord, OneOf: []uint64{0, 1},
				Why: `policy "Allow retrieving the cloud Kerberos ticket during the logon"`, Source: srcKerb, Basis: Unconfirmed,
			},
			{
				Path: HKLM(`SOFTWARE\Policies\Microsoft\AzureADAccount`), Name: "LoadCredKeyFromProfile", Type: TypeDWord, OneOf: []uint64{0, 1},
				Why: "needed with roaming profiles such as FSLogix for Microsoft Entra Kerberos", Source: srcKerb,
			},
		},
		Rules: []Rule{{
			ID: "kerberos-policy-off", Title: "Policy and direct value agree", Source: srcKerb, Basis: Unconfirmed,
			Check: func(snap *Snapshot, report func(Drift)) {
				direct, _, ok := number(snap, HKLM(kerberosKey), "CloudKerberosTicketRetrievalEnabled")
				policy, it, set := number(snap, HKLM(kerbPolKey), "CloudKerberosTicketRetrievalEnabled")
				if ok && set && direct != policy {
					report(contradiction(it, fmt.Sprintf("the policy says %d, the value below Lsa says %d", policy, direct), "keep one of the two"))
				}
			},
		}},
	}
}

// JoinState returns the schema "join-state": what Windows itself keeps about the device join, the user's
// registration and enrolments. It is read-only: Drift checks the form and Explain reads it; Desired and Remove are
// empty. That a key below Enrollments exists does not mean that the device is enrolled.
func JoinState() Schema {
	state := func(p Path, name, why string, c Content) Setting {
		return Setting{Path: p, Name: name, Type: TypeSZ, ReadOnly: true, Content: c, Why: why, Source: srcState, Basis: Observed}
	}
	// The type of these is not documented, so every plausible one is accepted.
	status := func(p Path, name, why string) Setting {
		s := state(p, name, why, AnyText)
		s.Type, s.Other = TypeDWord, []Type{TypeSZ, TypeQWord, TypeBinary}
		return s
	}
	device, tenant, user, enrol := HKLM(joinInfoKey+`\*`), HKLM(tenantsKey+`\*`), HKCU(userJoinKey+`\*`), HKLM(enrolKey+`\*`)
	return Schema{
		Name: "join-state", Title: "State of join, registration and enrolment (read-only)",
		Settings: []Setting{
			state(device, "TenantId", "the tenant the device is joined to", GUID),
			state(device, "UserEmail", "the account that joined the device", AnyText),
			state(device, "IdpDomain", "the domain of the identity provider", AnyText),
			status(device, "AikCertStatus", "certificate of the TPM's attestation key"),
			status(device, "AttestationLevel", "how the device was attested"),
			status(device, "TransportKeyStatus", "state of the transport key"),
			state(tenant, "DisplayName", "name of the tenant", AnyText),
			state(tenant, "MdmTermsOfUseUrl", "terms of use of the tenant's MDM", AnyText),
			state(tenant, "MdmEnrollmentUrl", "where devices of the tenant enrol", AnyText),
			state(tenant, "MdmComplianceUrl", "where users see why a device is not compliant", AnyText),
			state(user, "TenantId", "the tenant the user registered the device with: the second half of a dual state", GUID),
			state(enrol, "ProviderID", "the kind of MDM enrolment", AnyText),
			state(enrol, "DiscoveryServiceFullURL", "where the enrolment was found", AnyText),
			state(enrol, "UPN", "the user of the enrolment", AnyText),
			state(enrol, "AADTenantID", "the tenant of the enrolment", AnyText),
			{Path: enrol, Name: "EnrollmentType", Type: TypeDWord, ReadOnly: true, Why: "6: MDM by device management; 13: Microsoft Entra joined", Source: srcState, Basis: Reported},
			{Path: enrol, Name: "EnrollmentState", Type: TypeDWord, ReadOnly: true, Why: "state of the enrolment", Source: srcState, Basis: Observed},
		},
		Rules: []Rule{tenantRule()},
	}
}

// CoManagement returns the schema "comanagement": the value in which the Configuration Manager client keeps the
// co-management workloads. It is read-only; package comgmt explains its bits.
func CoManagement() Schema {
	return Schema{
		Name: "comanagement", Title: "Configuration Manager co-management (read-only)",
		Settings: []Setting{{
			Path: HKLM(ccmKey), Name: "CoManagementFlags", Type: TypeDWord, Other: []Type{TypeQWord, TypeSZ}, ReadOnly: true,
			Why: "which workloads are with Intune, as a sum of bits", Source: "value kept by the Configuration Manager client; its type is not documented", Basis: Reported,
		}},
	}
}

// PolicyProcessing returns the schema "policy-processing": switches that decide which source of policy counts. Nothing is wanted of
// them; they explain a value that is not what its policy says.
func PolicyProcessing() Schema {
	return Schema{
		Name: "policy-processing", Title: "Switches that decide which source of policy counts",
		Settings: []Setting{
			{
				Path: HKLM(`SOFTWARE\Policies\Microsoft\Windows\System`), Name: "DisableLGPOProcessing", Type: TypeDWord, OneOf: []uint64{0, 1}, Default: DWord(0),
				Why: "1 ignores the local Group Policy Object", Source: `GroupPolicy.admx, "Turn off Local Group Policy Objects processing"`,
			},
			{
				Path: HKLM(`SOFTWARE\Microsoft\PolicyManager\*\device\ControlPolicyConflict`), Name: "MDMWinsOverGP", Type: TypeDWord, OneOf: []uint64{0, 1}, Default: DWord(0), ReadOnly: true,
				Why: "1 lets MDM win over Group Policy, for settings of the Policy CSP only: never for the values of CDJ or MSCEP", Source: "Microsoft Learn, Policy CSP - ControlPolicyConflict", Basis: Reported,
			},
		},
	}
}
