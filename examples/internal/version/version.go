// Package version says which build a tool is.
package version

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Main ends the process with the version of the tool on standard output, where the command line asks for it and nothing
// else. A tool's main calls it first.
func Main(tool string) {
	if !asked(os.Args[1:]) {
		return
	}
	if write(os.Stdout, tool) != nil {
		os.Exit(2)
	}
	os.Exit(0)
}

// asked reports whether the arguments ask for the version and nothing else.
func asked(args []string) bool {
	return len(args) == 1 && slices.Contains([]string{"version", "-version", "--version"}, args[0])
}

// write prints one line: the tool, its version, the revision it was built from, the Go release and the platform. What
// the build does not know is left out: a tool that was built from an unpacked archive has no revision.
func write(w io.Writer, tool string) error {
	_, err := fmt.Fprintln(w, line(tool, debug.ReadBuildInfo))
	return err
}

func line(tool string, read func() (*debug.BuildInfo, bool)) string {
	words := []string{tool}
	if info, ok := read(); ok {
		set := make(map[string]string)
		for _, s := range info.Settings {
			set[s.Key] = s.Value
		}
		if v := info.Main.Version; v != "" {
			words = append(words, v)
		}
		if r := set["vcs.revision"]; r != "" {
			r = "revision " + r[:min(12, len(r))]
			if set["vcs.modified"] == "true" {
				r += " with changes"
			}
			if t := set["vcs.time"]; t != "" {
				r += " of " + t
			}
			words = append(words, r)
		}
	}
	return strings.Join(append(words, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH), ", ")
}
