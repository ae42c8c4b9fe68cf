//go:build !race

package entra_test

const raceDetector = false
