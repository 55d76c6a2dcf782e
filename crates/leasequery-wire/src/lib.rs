#![doc = "leasequery-wire"]
