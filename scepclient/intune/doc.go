// Package intune reads the SCEP and trusted-root certificate profiles of Microsoft Intune from raw Graph JSON, checks
// them, and says what a device will make of one: which certificate it asks for, whether it waits, and why.
//
//	docs, err := intune.Parse(r)
//	findings := intune.Lint(docs, intune.Estate{})
//	answer := intune.Why(docs.SCEP[0], device)
//
// The resource types exist in the beta version of Microsoft Graph only: v1.0 has just the abstract
// iosCertificateProfile, so an SDK made from v1.0 has no model of them. They are below
// /beta/deviceManagement/deviceConfigurations (windows10XSCEPCertificateProfile below resourceAccessProfiles); reading
// them needs DeviceManagementConfiguration.Read.All. This package makes no calls. Unknown properties survive
// reading and writing, in their order, and unknown enumeration values are kept.
//
// The rules of variables are those of Microsoft's page "Create and assign SCEP certificate profiles in Intune"
// (2024-10-15). That Windows holds a request with {{FullyQualifiedDomainName}} until the domain join of a hybrid join is
// done is practice reported by administrators and not in Microsoft's documents; it is marked so in the reasons.
package intune
