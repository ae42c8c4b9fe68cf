// Package regquery reads what people paste and scripts collect: the output of reg query and JSON made from PowerShell.
//
//	snapshot, err := registry.Collect("query.txt", regquery.Decode(f))
//	snapshot, err = registry.Collect("values.json", regquery.DecodeJSON(f))
//
// Neither is a good carrier. reg query prints strings in the console's code page with characters replaced, separates the
// strings of a REG_MULTI_SZ by \0 so that a real \0 cannot be told apart, prints line breaks as they are and
// translates "(Default)"; Get-ItemProperty loses types. Entries that rest on a guess say so in their Note. Prefer
// reg export, or the script that [Script] returns, which keeps types.
package regquery
