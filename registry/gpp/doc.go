// Package gpp reads and writes the registry items of Group Policy Preferences: the file
// Machine\Preferences\Registry\Registry.xml (or User\…) of a Group Policy Object. This is how Microsoft's documentation
// deploys the client-side service connection point for a targeted hybrid join.
//
// The two calls most people need:
//
//	for entry, err := range gpp.Decode(file) { … }   // what the items do
//	err := gpp.Encode(file, slices.Values(delta))    // a new file, laid out as the GPMC editor does
//
// Parse gives the Document itself: collections, actions, item-level targeting and everything a file says beside
// them. A Document that is not changed is written byte for byte as it was read, whatever made it; one that is
// changed keeps all other items, attributes, comments and white space. Preference files of other types (drives,
// environment variables, …) can be read, evaluated for targeting and written back, but their properties are not
// interpreted.
//
// Facts.Eval evaluates item-level targeting without Windows and in three values: yes, no, or unknown with the
// names of the facts that are missing.
//
// What it does not do: files in other encodings than UTF-8, which Windows does not write, are refused; passwords
// (cpassword) do not occur in Registry.xml and are not looked at in other files.
//
// Sources: [MS-GPPREF] 2.2.1.17 (Registry) and 2.2.1.22 (Targeting); the layout of bytes is that of files written
// by GPMC and by Set-GPPrefRegistryValue.
package gpp
