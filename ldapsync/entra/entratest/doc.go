// Package entratest is Microsoft Graph in a test: one tenant as an http.Handler.
package entratest
