// Package regfile reads and writes .reg files, the text form of the registry that regedit and reg export write
// and reg import reads: version 5 (UTF-16LE), REGEDIT4 (ANSI) and, reading only, the REGEDIT form of
// Windows 3.1.
//
//	snapshot, err := registry.Collect("export.reg", regfile.Decode(f))
//	err = regfile.Encode(w, snapshot.Entries())
//
// Reading follows what reg import does, line by line, including what it silently drops: the strict [Decoder]
// makes the first such line an error, the tolerant one reports every line and goes on. Memory does not grow with
// the file. Writing gives the bytes that Windows itself would export, line folding included.
//
// The rules come from the conformance tests of Wine's reg.exe, which run on Windows too, from observation of
// Wine 8.0 where those are silent, and from exports made by Windows. In three places this package departs from
// Wine on purpose: data written as hex(2) or hex(7) in a version 5 file is UTF-16 whatever the encoding of the
// file; values behind a malformed key header are dropped with an error instead of being given to the previous
// key; and encodings that Windows refuses are read, with an error that says so, by the tolerant decoder.
// Unknown is what Windows does with UTF-8 files that have a byte order mark and with HKLM abbreviations; both
// are read, the first only with an error.
//
// Limits: UTF-8 without byte order mark cannot be told from the ANSI code page and is read as that, as Windows
// does; set [Decoder].CodePage to codepage.UTF8() if it is known better. White space and the order of comments among
// blank lines are not kept.
package regfile
