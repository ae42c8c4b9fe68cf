// Package regpol reads and writes Registry.pol, the file in which Group Policy stores registry policy
// ([MS-GPREG] 2.2.1; Microsoft, "Registry Policy File Format").
//
//	snapshot, err := registry.Collect("Registry.pol", regpol.Decode(f))
//	err = regpol.Encode(w, slices.Values(delta))
//
// Records are read by their Size field, so data that contains brackets, semicolons or NULs cannot be mistaken for
// the end of a record. Two layers are offered. [Decoder.Records] and [AppendRecord] are the file as it is:
// re-encoding gives the same bytes. [Decoder.Decode] and [Encode] speak of effects: every `**` instruction becomes the
// operation it stands for, and encoding the entries of a file gives the same bytes too.
//
// The strict [Decoder] refuses a record whose Size is wrong, with the offset. The tolerant one finds the end of such
// a record by its closing bracket, yields it together with the error, and goes on.
package regpol
