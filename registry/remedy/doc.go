// Package remedy turns a schema into what an administrator deploys: a pair of PowerShell scripts for Intune, lines of reg
// add, and administrative templates for the values that are policies. The file formats of deployment, .reg, Registry.pol
// and Registry.xml, come from the codecs, a whole Group Policy Object from package gpo:
//
//	regfile.Encode(w, slices.Values(schema.Desired()))
//	pair := remedy.PowerShell(schema)
//
// Which one to use: Microsoft's documentation deploys the client-side service connection point with Group Policy Preferences.
// Intune reaches the same values only with scripts: its ADMX ingestion refuses policies that write to System,
// Software\Microsoft and Software\Policies\Microsoft with few exceptions ("Win32 and Desktop Bridge app ADMX policy
// ingestion"), and every value of this module lies there. The templates that ADMX writes are therefore for the central
// store of Group Policy only.
package remedy
