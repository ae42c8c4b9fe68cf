package registry

import "fmt"

// NDESParams are an organisation's own values of an NDES server. The zero NDESParams checks the form of the
// template values without knowing the right names.
type NDESParams struct {
	Template       string // name (CN, not display name) of the template for all three purposes
	Signature      string // instead of Template for requests with key usage digital signature only
	Encryption     string // instead of Template for key encipherment only
	GeneralPurpose string // instead of Template for both usages
	// SCHANNEL also wants SendTrustedIssuerList 0 and ClientAuthTrustMode 2, the work-around for certificates in the
	// Root store that are not self-signed. Cleaning that store is the better fix, and ClientAuthTrustMode 2
	// relaxes which client certificates are trusted.
	SCHANNEL bool
}

// GuideNDES returns the parameters that the hybrid guide for NHSmail gives: one template, IntuneNDES, for everything.
func GuideNDES() NDESParams { return NDESParams{Template: "IntuneNDES", SCHANNEL: true} }

const (
	mscepKey    = `SOFTWARE\Microsoft\Cryptography\MSCEP`
	httpKey     = `SYSTEM\CurrentControlSet\Services\HTTP\Parameters`
	schannelKey = `SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL`
	kdcKey      = `SYSTEM\CurrentControlSet\Services\Kdc`
	intuneKey   = `SOFTWARE\Microsoft\MicrosoftIntune`
)

const (
	srcSCEP      = `Microsoft Learn, "Configure infrastructure to support SCEP with Intune"`
	srcNDES      = `defaults of the role installer; AD CS Network Device Enrollment Service guidance`
	srcConnector = `Microsoft's Validate-NDESConfiguration.ps1 and Microsoft Learn, certificate connector for Intune`
	srcHTTP      = `Microsoft, "Http.sys registry settings for Windows" (KB 820129)`
	srcTLS       = `Microsoft, client certificate errors 403.7 and 403.16 (KB 2802568)`
	srcStrong    = `Microsoft, KB 5014754 "Certificate-based authentication changes on Windows domain controllers"`
)

const afterServer = "Restart the server: NDES, HTTP.sys and SCHANNEL read these values when they start, and restarting IIS is said not to be enough."

const restartServer = "set it, then restart the server; restarting IIS is not enough"

// NDES returns the schema "ndes": everything that matters in the registry of an NDES server, the union of NDESTemplates, MSCEP,
// HTTPSys, SCHANNEL and Connector. Package iis checks the request limits of IIS, which are not in the registry.
func NDES(p NDESParams) Schema {
	return Merge("ndes", "NDES server: templates, MSCEP, HTTP.sys, SCHANNEL and connector",
		NDESTemplates(p), MSCEP(), HTTPSys(), SCHANNEL(p.SCHANNEL), Connector())
}

// NDESTemplates returns the schema "ndes-templates": which certificate template NDES uses for which key usage.
func NDESTemplates(p NDESParams) Schema {
	template := func(name, own, usage string) Setting {
		s := Setting{
			Path: HKLM(mscepKey), Name: name, Type: TypeSZ, Required: true, Content: TemplateName,
			Why:         "the name of the certificate template for requests with key usage " + usage,
			Consequence: "NDES asks the CA for a template that does not exist or is not meant, and requests with this key usage fail (CERTSRV_E_UNSUPPORTED_CERT_TYPE)",
			Remedy:      restartServer, Source: srcSCEP,
		}
		if own == "" {
			own = p.Template
		}
		setText(&s, own)
		return s
	}
	return Schema{
		Name: "ndes-templates", Title: "NDES certificate templates (MSCEP)",
		AfterChange:  afterServer,
		AfterRemoval: "Without its template values NDES cannot issue; remove the role instead if it is not needed.",
		Settings: []Setting{
			template("SignatureTemplate", p.Signature, "digital signature only"),
			template("EncryptionTemplate", p.Encryption, "key encipherment only"),
			template("GeneralPurposeTemplate", p.GeneralPurpose, "digital signature and key encipherment"),
		},
	}
}

// mscep makes the setting of a value that lives in the sub key of its own name.
func mscep(name string, t Type, why string) Setting {
	return Setting{Path: HKLM(mscepKey + `\` + name), Name: name, Type: t, Why: why, Source: srcNDES, Basis: Observed, Remedy: restartServer}
}

// MSCEP returns the schema "mscep": the other values of NDES. Nothing is wanted of them; what is there is checked.
func MSCEP() Schema {
	flag := func(name string, def uint32, why string) Setting {
		s := mscep(name, TypeDWord, why)
		s.OneOf, s.Default = []uint64{0, 1}, DWord(def)
		return s
	}
	count := func(name string, def uint32, least, most uint64, why string) Setting {
		s := mscep(name, TypeDWord, why)
		s.Default, s.Min, s.Max = DWord(def), least, most
		return s
	}
	unsure := func(s Setting) Setting {
		s.Basis = Unconfirmed
		return s
	}
	ca := mscep("CAInfo", TypeSZ, `the CA, as host\name`)
	ca.Name = "Configuration"
	password := mscep("EncryptedPassword", TypeBinary, "the single password; delete it to get a new one after event 49/2")
	password.Secret = true
	adcs := Setting{Path: HKLM(`SOFTWARE\Microsoft\ADCS\NDES`), Name: "ConfigurationStatus", Type: TypeDWord, ReadOnly: true,
		Why: "2: the role is configured", Source: srcNDES, Basis: Observed}
	return Schema{
		Name: "mscep", Title: "NDES service (MSCEP)", AfterChange: afterServer,
		Settings: []Setting{
			ca,
			flag("CAType", 1, "1 enterprise CA, 0 stand-alone CA"),
			flag("CertsInMYStore", 1, "whether the registration authority's certificates are in the computer's personal store"),
			flag("EnforcePassword", 1, "0 issues certificates to requests without a challenge password"),
			mscep("PasswordVDir", TypeSZ, "virtual directory that hands out challenge passwords"),
			flag("UseSinglePassword", 0, "1 uses one challenge password for all requests (KB 959193)"),
			password,
			count("PasswordLength", 8, 1, 0xFFFF, "characters of a challenge password"),
			count("PasswordMax", 5, 1, 0xFFFFFFFF, "challenge passwords that may be outstanding; when they are used up mscep_admin refuses"),
			count("PasswordValidity", 60, 1, 0xFFFFFFFF, "minutes a challenge password is valid"),
			mscep("HashAlgorithm", TypeSZ, "hash algorithm NDES uses, such as SHA256"),
			unsure(mscep("CacheRequest", TypeDWord, "minutes an issued request is cached, default 20")),
			unsure(mscep("Refresh", TypeDWord, "days between checks of the registration authority's certificates, default 7")),
			unsure(flag("DisableRenewalSubjectNameMatch", 0, "1 lets a renewal change the subject")),
			adcs,
		},
		Rules: []Rule{
			{
				ID: "mscep-open-door", Title: "Challenge passwords are enforced with the Intune policy module", Source: srcNDES, Basis: Reported,
				Reads: []Path{HKLM(mscepKey)},
				Check: func(snap *Snapshot, report func(Drift)) {
					n, it, ok := number(snap, HKLM(mscepKey+`\EnforcePassword`), "EnforcePassword")
					if ok && n == 0 && snap.HasKey(HKLM(mscepKey+`\Modules\NDESPolicy`)) {
						d := contradiction(it, "the Intune policy module verifies challenges, but NDES does not demand one", "set it to 1 and restart the server")
						d.Fix = Delta{{Op: Set, Path: it.Path, Name: it.Name, Value: DWord(1)}}
						report(d)
					}
				},
			},
			{
				ID: "mscep-password-unused", Title: "A stored single password is in use", Source: srcNDES, Basis: Reported,
				Reads: []Path{HKLM(mscepKey)},
				Check: func(snap *Snapshot, report func(Drift)) {
					it, ok := snap.Get(HKLM(mscepKey+`\EncryptedPassword`), "EncryptedPassword")
					if n, _, _ := number(snap, HKLM(mscepKey+`\UseSinglePassword`), "UseSinglePassword"); ok && n == 0 {
						d := contradiction(it, "a single password is stored, but UseSinglePassword is not 1, so it is never used", "delete it, or set UseSinglePassword to 1")
						// The bytes are a secret, even encrypted: they are not repeated.
						d.GotValue = Value{}
						d.Kind, d.Severity, d.Got = NoEffect, Warning, fmt.Sprintf("%v of %d bytes", it.Value.Type, len(it.Value.Data))
						report(d)
					}
				},
			},
		},
	}
}

// HTTPSys returns the schema "http": the limits of HTTP.sys. SCEP requests carry a PKCS #7 message in the query
// string and exceed the defaults.
func HTTPSys() Schema {
	limit := func(name string, def uint32, least, most uint64, want Value, why, consequence string) Setting {
		return Setting{
			Path: HKLM(httpKey), Name: name, Type: TypeDWord, Min: least, Max: most, Default: DWord(def), Want: want, AtLeast: true,
			Why: why, Consequence: consequence, Remedy: "set it, then restart the server (the HTTP service reads it when it starts)", Source: srcHTTP + "; " + srcSCEP,
		}
	}
	const tooSmall = "HTTP.sys answers long SCEP requests with 400 (request header or field too long) before IIS and NDES see them"
	return Schema{
		Name: "http", Title: "HTTP.sys request limits",
		AfterChange: afterServer,
		Settings: []Setting{
			limit("MaxFieldLength", 16384, 64, 65534, DWord(65534), "bytes of one header line, the request line included", tooSmall+"; 65534 is the highest number it accepts, 65535 and 65536 only look bigger"),
			limit("MaxRequestBytes", 16384, 256, 16777216, DWord(65534), "bytes of the request line and all headers", tooSmall),
			limit("UrlSegmentMaxLength", 260, 0, 32766, Value{}, "characters of one segment of the path", ""),
			limit("UrlSegmentMaxCount", 255, 0, 16383, Value{}, "segments of the path", ""),
			{Path: HKLM(httpKey), Name: "MaxConnections", Type: TypeDWord, Why: "simultaneous connections", Source: srcHTTP},
			{Path: HKLM(httpKey), Name: "AllowRestrictedChars", Type: TypeDWord, OneOf: []uint64{0, 1}, Default: DWord(0), Why: "accept escaped control characters in addresses", Source: srcHTTP},
		},
		Rules: []Rule{{
			ID: "http-field-over-request", Title: "A header line may not be longer than all headers together", Source: srcHTTP,
			Check: func(snap *Snapshot, report func(Drift)) {
				field, _, ok1 := number(snap, HKLM(httpKey), "MaxFieldLength")
				total, it, ok2 := number(snap, HKLM(httpKey), "MaxRequestBytes")
				if ok1 && ok2 && field <= 65534 && total < field {
					d := contradiction(it, fmt.Sprintf("MaxRequestBytes is lower than MaxFieldLength (%d), so HTTP.sys lowers MaxFieldLength to it", field),
						"set both to 65534, then restart the server")
					d.Severity = Warning
					report(d)
				}
			},
		}},
	}
}

// SCHANNEL returns the schema "schannel": how the server treats client certificates. With workaround it wants the two values that
// make client certificates work in spite of certificates in the Root store that are not self-signed; without, it
// checks only what is there.
func SCHANNEL(workaround bool) Schema {
	s := Schema{
		Name: "schannel", Title: "SCHANNEL client certificate trust", AfterChange: afterServer,
		Settings: []Setting{
			{
				Path: HKLM(schannelKey), Name: "SendTrustedIssuerList", Type: TypeDWord, OneOf: []uint64{0, 1}, Default: DWord(0),
				Why:         "whether the server sends the list of issuers it trusts (absent: no since Server 2012)",
				Consequence: "A long list is cut off, and clients then find no certificate to send (403.7)", Source: srcTLS,
			},
			{
				Path: HKLM(schannelKey), Name: "ClientAuthTrustMode", Type: TypeDWord, OneOf: []uint64{0, 1, 2}, Default: DWord(0),
				Why:         "0 machine trust, 1 exclusive root trust, 2 exclusive CA trust; 2 relaxes which client certificates are trusted",
				Consequence: "With certificates in the Root store that are not self-signed, client certificates are refused (403.16)",
				Remedy:      "better clean the Root store; this value is a work-around that relaxes trust", Source: srcTLS,
			},
			{
				Path: HKLM(schannelKey), Name: "CertificateMappingMethods", Type: TypeDWord, Max: 0x1F, Default: DWord(0x18),
				Why:         "how certificates map to accounts: 1 subject and issuer, 2 issuer, 4 UPN, 8 and 0x10 S4U2Self",
				Consequence: "The lower three bits allow weak mappings", Remedy: "delete it unless a service needs weak mappings", Source: srcStrong, Basis: Reported,
			},
		},
	}
	if workaround {
		s.Settings[0].Want, s.Settings[1].Want = DWord(0), DWord(2)
	}
	return s
}

// Connector returns the schema "connector": the Intune certificate connector and the NDES policy module.
func Connector() Schema {
	thumb := func(p Path, name, why string) Setting {
		return Setting{Path: p, Name: name, Type: TypeSZ, Content: Thumbprint, Why: why,
			Consequence: "The connector does not find its certificate", Remedy: "write the thumbprint of the renewed certificate without blanks and restart the NDES application pools",
			Source: srcConnector, Basis: Observed}
	}
	legacy := HKLM(intuneKey + `\NDESConnector`)
	return Schema{
		Name: "connector", Title: "Certificate connector for Intune and NDES policy module",
		Settings: []Setting{
			thumb(HKLM(mscepKey+`\Modules\NDESPolicy`), "NDESCertThumbprint", "client certificate of the policy module of the legacy connector"),
			thumb(legacy, "SigningCertificate", "signing certificate of the legacy connector"),
			thumb(legacy, "PfxSigningCertificate", "signing certificate of the legacy connector for PFX"),
			thumb(legacy, "KeyRecoveryAgentCertificate", "key recovery certificate of the legacy connector"),
			{
				Path: HKLM(intuneKey + `\PFXCertificateConnector`), Name: "EnableSidSecurityExtension", Type: TypeDWord, OneOf: []uint64{0, 1},
				Why:    "1 adds the SID extension to PKCS certificates (connector 6.2406.0.1001 or later); SCEP profiles use a SAN URI instead",
				Remedy: "restart the connector services", Source: srcConnector,
			},
		},
	}
}

// StrongMapping returns the schema "strong-mapping": values on domain controllers for KB 5014754. Since the updates of
// September 2025 compatibility mode is gone and StrongCertificateBindingEnforcement has no effect; whether
// CertificateBackdatingCompensation still counts is disputed, so only its presence is explained.
func StrongMapping() Schema {
	return Schema{
		Name: "strong-mapping", Title: "Strong certificate mapping on domain controllers",
		Settings: []Setting{
			{
				Path: HKLM(kdcKey), Name: "StrongCertificateBindingEnforcement", Type: TypeDWord, OneOf: []uint64{0, 1, 2},
				Dead:        "without effect since the updates of September 2025: full enforcement is always on (0 was ignored from April 2023, compatibility mode ended in September 2025)",
				Why:         "0 disabled, 1 compatibility, 2 full enforcement",
				Remedy:      "give certificates a strong mapping (SID extension or SAN URI tag:microsoft.com,2022-09-14:sid:…) and remove the value",
				Consequence: "Whoever relies on it finds certificates without strong mapping refused (events 39, 40, 41)",
				Source:      srcStrong, Basis: Reported,
			},
			{
				Path: HKLM(kdcKey), Name: "CertificateBackdatingCompensation", Type: TypeDWord,
				Why: "seconds by which a certificate may be older than its account; sources disagree whether it counts since September 2025", Source: srcStrong, Basis: Unconfirmed,
			},
			{
				Path: HKLM(kdcKey), Name: "UseSubjectAltName", Type: TypeDWord, OneOf: []uint64{0, 1},
				Why: "whether the alternative name of a certificate maps to an account", Source: srcStrong, Basis: Unconfirmed,
			},
		},
	}
}
