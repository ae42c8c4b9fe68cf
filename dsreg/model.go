package dsreg

import "strconv"

// A DeviceState is the box "Device State".
type DeviceState struct {
	AzureAdJoined    Flag
	EnterpriseJoined Flag
	DomainJoined     Flag
	DomainName       Text
	VirtualDesktop   Enum
	DeviceName       Text
}

// A DeviceDetails is the box "Device Details"; up to Windows 10 1803 these rows stand in "Device State".
type DeviceDetails struct {
	DeviceID                  GUID
	Thumbprint                Text
	DeviceCertificateValidity TimeRange
	KeyContainerID            GUID
	KeyProvider               Text
	TpmProtected              Flag
	DeviceAuthStatus          AuthStatus
	RecoveryDeviceID          GUID
	RecoveryThumbprint        Text
}

// A TenantDetails is the box "Tenant Details"; up to Windows 10 1803 these rows stand in "Device State".
type TenantDetails struct {
	TenantName                Text
	TenantID                  GUID
	Idp                       Text
	AuthCodeURL               Link
	AccessTokenURL            Link
	MDMURL                    Link
	MDMTermsOfUseURL          Link
	MDMComplianceURL          Link
	SettingsURL               SettingsBlob
	JoinSrvVersion            Text
	JoinSrvURL                Link
	JoinSrvID                 Text
	KeySrvVersion             Text
	KeySrvURL                 Link
	KeySrvID                  Text
	WebAuthNSrvVersion        Text
	WebAuthNSrvURL            Link
	WebAuthNSrvID             Text
	DeviceManagementSrvVer    Text
	DeviceManagementSrvURL    Link
	DeviceManagementSrvID     Text
	KerbSpn                   Text
	KerbURL                   Link
	JoinSrvTLSURL             Link
	DeviceManagementSrvTLSURL Link
	JoinResourceSrvTLSURL     Link
}

// An UserState is the box "User State". It is about the user who ran the command.
type UserState struct {
	NgcSet              Flag
	NgcKeyID            GUID
	CanReset            Enum
	WorkplaceJoined     Flag
	WorkAccountCount    Number
	WamDefaultSet       Flag
	WamDefaultAuthority Enum
	WamDefaultID        Link
	WamDefaultGUID      Provider
}

// A WorkAccount is one box "Work Account N"; up to Windows 10 1803 its rows stand in "User State".
type WorkAccount struct {
	Number                    int // N of the title; 1 where the rows stand in "User State"
	WorkplaceDeviceID         GUID
	WorkplaceThumbprint       Text
	DeviceCertificateValidity TimeRange
	KeyContainerID            GUID
	KeyProvider               Text
	TpmProtected              Flag
	WorkplaceIdp              Text
	WorkplaceTenantID         GUID
	WorkplaceTenantName       Text
	WorkplaceMDMURL           Link
	WorkplaceSettingsURL      SettingsBlob
	NgcSet                    Flag
}

// An SSOState is the box "SSO State"; up to Windows 10 1803 its rows stand in "User State".
type SSOState struct {
	AzureAdPrt              Flag
	AzureAdPrtUpdateTime    Time
	AzureAdPrtExpiryTime    Time
	AzureAdPrtAuthority     Link
	EnterprisePrt           Flag
	EnterprisePrtUpdateTime Time
	EnterprisePrtExpiryTime Time
	EnterprisePrtAuthority  Link
	OnPremTgt               Flag
	CloudTgt                Flag
	KerbTopLevelNames       List

	// Attempts are the failed token attempts, in print order.
	Attempts []PRTAttempt
}

// A PRTAttempt is a failed attempt to acquire or refresh a primary refresh token. Up to four stand in "SSO State", with the same labels; Owner and Kind keep them apart.
type PRTAttempt struct {
	Owner                  PRTOwner
	Kind                   AttemptKind
	Disputed               bool // the endpoint points to the other owner than the position; the endpoint was believed
	Marker                 Enum // AcquirePrtDiagnostics or RefreshPrtDiagnostics
	PreviousPrtAttempt     Time
	AttemptStatus          ErrorCode
	UserIdentity           Text
	CredentialType         Enum
	CorrelationID          GUID
	EndpointURI            Link
	HTTPMethod             Text
	HTTPError              ErrorCode
	HTTPStatus             Number
	ServerErrorCode        Text
	ServerErrorDescription Text
}

// A PostJoin is what "Diagnostic Data" says about a joined device.
type PostJoin struct {
	AadRecoveryEnabled Flag
	KeySignTest        KeySign
	DisplayNameUpdated Enum
	OsVersionUpdated   Enum
	HostNameUpdated    Enum
}

// A Diagnostics is the box "Diagnostic Data".
type Diagnostics struct {
	ExecutingAccountName Account
	Post                 PostJoin
	Pre                  PreJoin
	HostName             HostNameUpdate
}

// A HostNameUpdate is the block "Last HostName Update". Its rows reuse the labels of the pre-join block and describe an upload, not a join.
type HostNameUpdate struct {
	Result             Enum // the row "Last HostName Update"
	ServerTime         Text
	ClientErrorCode    ErrorCode
	ClientTime         Time
	RequestID          GUID
	HTTPSStatus        Number
	ServerErrorCode    Text
	ServerErrorSubCode Text
	ServerOperation    Text
	ServerMessage      Text
}

// A PreJoin is what "Diagnostic Data" says about a domain-joined device that is not joined to Microsoft Entra ID yet.
type PreJoin struct {
	DiagnosticsReference Text
	UserContext          Enum
	ClientTime           Time
	ADConnectivityTest   Test
	ADConfigurationTest  Test
	DRSDiscoveryTest     Test
	DRSConnectivityTest  Test
	KerberosTicketTest   Test
	TokenAcquisitionTest Test
	FallbackToSyncJoin   Enum
	FallbackToFedJoin    Enum
	PreviousRegistration Time
	RegistrationType     Enum
	ErrorPhase           Enum
	ClientErrorCode      ErrorCode
	ServerErrorCode      Text
	ServerErrorSubCode   Text
	ServerOperation      Text
	ServerMessage        Text
	HTTPSStatus          Number
	RequestID            GUID
}

// A ProxyConfig is a box "IE Proxy Config for …".
type ProxyConfig struct {
	AutoDetectSettings   Flag
	AutoConfigurationURL Link
	ProxyServerList      Text
	ProxyBypassList      Text
}

// An URLProxy is the box "URL Specific Proxy Config".
type URLProxy struct {
	AutoDetectPACStatus Text
}

// A WinHTTP is the box "WinHttp Default Proxy Config".
type WinHTTP struct {
	AccessType Enum
}

// An NgcCheck is the box "Ngc Prerequisite Check": what Windows Hello for Business needs.
type NgcCheck struct {
	NgcPreReq              ErrorCode
	IsDeviceJoined         Flag
	IsUserAzureAD          Flag
	PolicyEnabled          Flag
	PostLogonEnabled       Flag
	DeviceEligible         Flag
	SessionIsNotRemote     Flag
	X509CertRequired       Flag
	CertEnrollment         Enum
	ScepReady              Flag
	AadRecoveryNeeded      Flag
	AdfsRefreshToken       Flag
	AdfsRaIsReady          Flag
	LogonCertTemplateReady Flag
	OnPremTGT              Flag
	PreReqResult           Enum
}

// A VirtualDesktop is the box "Virtual Desktop Settings".
type VirtualDesktop struct {
	Provider   Text
	Type       Enum
	UserMode   Enum
	Extensions Number

	// Pairs are the rows that follow Extensions: the vendor chooses their labels.
	Pairs []Field
}

// A Proxy holds the four proxy boxes. System and URL are printed in elevated runs before a join only.
type Proxy struct {
	User    ProxyConfig
	System  ProxyConfig
	URL     URLProxy
	WinHTTP WinHTTP
	// URLAccount is the Executing Account Name row under "URL Specific Proxy Config": the account of the SYSTEM task.
	URLAccount Account
}

// An OldRegistration is the data of a work account that the old layout prints in "Device State".
type OldRegistration struct {
	Details DeviceDetails
	Tenant  TenantDetails
}

// A PRTOwner is the issuer of a primary refresh token.
type PRTOwner uint8

// Issuers of a primary refresh token.
const (
	OwnerUnknown    PRTOwner = iota
	OwnerEntra               // AzureAdPrt, from Microsoft Entra ID
	OwnerEnterprise          // EnterprisePrt, from AD FS
)

var prtOwnerNames = [...]string{"unknown", "entra", "enterprise"}

// String returns the owner's name; values off the table print as PRTOwner(n).
func (o PRTOwner) String() string {
	if int(o) < len(prtOwnerNames) {
		return prtOwnerNames[o]
	}
	return "PRTOwner(" + strconv.Itoa(int(o)) + ")"
}

// An AttemptKind says what was tried.
type AttemptKind uint8

// Kinds of token attempts.
const (
	AttemptUnknown AttemptKind = iota
	AcquirePRT                 // AcquirePrtDiagnostics
	RefreshPRT                 // RefreshPrtDiagnostics
)

var attemptKindNames = [...]string{"unknown", "acquire", "refresh"}

// String returns the kind's name; values off the table print as AttemptKind(n).
func (k AttemptKind) String() string {
	if int(k) < len(attemptKindNames) {
		return attemptKindNames[k]
	}
	return "AttemptKind(" + strconv.Itoa(int(k)) + ")"
}
