"""Who a device is: by its key, its certificate, its token, its TPM or its DICE chain."""
