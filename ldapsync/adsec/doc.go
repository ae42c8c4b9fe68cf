// Package adsec reads Active Directory security descriptors and says what an account may do.
//
// A directory does not say that an attribute was withheld: it leaves it out, as if it had no value. Whoever wants
// to conclude "cleared" from "missing" must first know that the account was allowed to read. Parse takes the
// value of nTSecurityDescriptor, and Check evaluates it for the groups in the account's token:
//
//	sd, err := adsec.Parse(raw)
//	v := sd.Check(token, adsec.Query{Right: adsec.ReadProperty, Class: user, PropertySet: generalInformation, Property: mail})
//	if v.Access != adsec.Granted { … v.ACE decided … }
//
// The evaluation is the access check of [MS-DTYP] section 2.5.3.2 with the object tree that a directory passes
// ([MS-ADTS] section 5.1.3.3): the class of the object, the property set and the property. It does not know
// privileges, central access policies and the conditions of callback ACEs; where a condition would decide, the
// answer is Undetermined.
//
// Formats are those of [MS-DTYP] sections 2.4.4 to 2.4.6, the text form is SDDL ([MS-DTYP] section 2.5.1).
package adsec
