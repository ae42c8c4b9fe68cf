package version

import (
	"bytes"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAsked(t *testing.T) {
	for _, yes := range []string{"version", "-version", "--version"} {
		require.True(t, asked([]string{yes}))
	}
	require.False(t, asked(nil))
	require.False(t, asked([]string{"plan", "-version"}))
}

func TestLine(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: "2026-11-21T08:00:00Z"}, {Key: "vcs.modified", Value: "true"}}}
	got := line("regcheck", func() (*debug.BuildInfo, bool) { return info, true })
	require.Contains(t, got, "regcheck, v1.2.3, revision 0123456789ab with changes of 2026-11-21T08:00:00Z, go1.")
	require.Regexp(t, `^regcheck, go1\.`, line("regcheck", func() (*debug.BuildInfo, bool) { return nil, false }))
	var b bytes.Buffer
	require.NoError(t, write(&b, "regcheck"))
	require.Regexp(t, `^regcheck, .*\n$`, b.String())
}
