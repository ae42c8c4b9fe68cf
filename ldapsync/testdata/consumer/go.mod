module consumer.example

go 1.26

require go.internal/hybridkit v0.0.0

replace go.internal/hybridkit => ../../..
