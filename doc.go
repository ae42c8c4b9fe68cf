// Package hybridkit is a map of the module; it holds no code.
//
// The module is for organisations whose Windows devices live between on-premises Active Directory and
// Configuration Manager (formerly SCCM) on one side, and Microsoft Entra ID (formerly Azure AD) and Intune
// on the other. Each package answers one kind of question and imports none of the others:
//
//	ldapsync     What should be synchronised, what would change, why, and then do it.
//	scepclient   Enrol and renew certificates over SCEP (RFC 8894) with NDES/Intune and other CAs.
//	dsreg        What does this dsregcmd output say, how is the device joined, what is wrong.
//	comgmt       Which co-management workloads are with Intune, which with Configuration Manager, and why.
//	registry     Are the registry values that hybrid join and NDES need set, where from, and which one wins.
//	examples     Command-line tools that compose the packages.
//
// The core packages ldapsync, dsreg, comgmt and registry import only the standard library. Drivers and codecs
// that need more live in packages below them, so that an importer pays for what it uses.
package hybridkit
