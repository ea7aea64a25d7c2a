; SPDX-License-Identifier: GPL-2.0-only
; The installer for a Windows: the files of its zip, the driver, an entry among the installed programs.
; pipeline/release/installer.py fills in the words in @ and runs makensis where the files lie.
;
; What a person works in (configurations, disks) is never written over, and goes only when he says so.

Unicode true
!include x64.nsh
!include LogicLib.nsh

Name "Cooperative Linux @VERSION@"
OutFile "@OUT@"
InstallDir "@FOLDER@"
InstallDirRegKey HKLM "Software\Cooperative Linux" "Folder"
RequestExecutionLevel admin
SetCompressor /SOLID lzma
SetDateSave off         ; the files get the time at which they are installed
ShowInstDetails show
ShowUninstDetails show
BrandingText "This is not isolation: a guest shares ring 0 with Windows"
LicenseData LICENSE.txt
VIProductVersion "@NUMBERS@"
VIAddVersionKey "ProductName" "Cooperative Linux"
VIAddVersionKey "FileDescription" "Cooperative Linux for @SYSTEM@"
VIAddVersionKey "FileVersion" "@VERSION@"
VIAddVersionKey "ProductVersion" "@VERSION@"
VIAddVersionKey "LegalCopyright" "GPL-2.0-only"

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Cooperative Linux"

Page license
Page directory
Page instfiles
UninstPage uninstConfirm
UninstPage instfiles

; The driver of one width is not the other's.
!macro CheckWidth
@WIDTH@
!macroend

Function .onInit
  !insertmacro CheckWidth
FunctionEnd

Function un.onInit
  !insertmacro CheckWidth
FunctionEnd

Section
  SetOutPath "$INSTDIR"
  ; One of an earlier version: it is in the way while it is loaded.
  ${If} ${FileExists} "$INSTDIR\colinux-daemon.exe"
    nsExec::ExecToLog '"$INSTDIR\colinux-daemon.exe" --remove-driver'
    Pop $0
    ${If} $0 != 0
    ${AndIf} $0 != 14   ; it was not installed
      MessageBox MB_OK|MB_ICONSTOP "The driver of the version that is here cannot be removed (code $0). End all guests and their services, and try again." /SD IDOK
      Abort
    ${EndIf}
  ${EndIf}
@FILES@
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "Software\Cooperative Linux" "Folder" "$INSTDIR"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayName" "Cooperative Linux"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayVersion" "@VERSION@"
  WriteRegStr HKLM "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegStr HKLM "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegDWORD HKLM "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKLM "${UNINSTALL}" "NoRepair" 1
  nsExec::ExecToLog '"$INSTDIR\colinux-daemon.exe" --install-driver'
  Pop $0
  ${If} $0 != 0
    ; The files stay: what Windows demands is in one of them.
    MessageBox MB_OK|MB_ICONEXCLAMATION "The files are installed, but Windows did not take the driver (code $0). README.txt says under $\"What Windows demands$\" what it wants; then run install.cmd there." /SD IDOK
    SetErrorLevel 3
  ${EndIf}
SectionEnd

Section un.
  ; No such service is as good.
  nsExec::ExecToLog '"$INSTDIR\colinux-daemon.exe" --remove-service'
  Pop $0
  nsExec::ExecToLog '"$INSTDIR\colinux-daemon.exe" --remove-driver'
  Pop $0
  ${If} $0 != 0
  ${AndIf} $0 != 14     ; it was not installed
    MessageBox MB_OK|MB_ICONSTOP "The driver cannot be removed (code $0). End all guests and their services, and try again." /SD IDOK
    SetErrorLevel 3
    Abort
  ${EndIf}
@DELETE@
  MessageBox MB_YESNO|MB_ICONQUESTION|MB_DEFBUTTON2 "Delete the guests' disks and configurations as well?" /SD IDNO IDNO keep
@DELETE_OWN@
  keep:
  Delete "$INSTDIR\uninstall.exe"
@FOLDERS@
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${UNINSTALL}"
  DeleteRegKey HKLM "Software\Cooperative Linux"
SectionEnd
