; SPDX-License-Identifier: GPL-2.0-only
; The installer for a Windows: the files of its zip, the driver, an entry among the installed programs.
; pipeline/release/installer.py fills in the words in @ and runs makensis where the files lie.
;
; What a person works in (configurations, disks) is never written over, and goes only when he says so.
;
; A file cannot be replaced or deleted while it is open or runs, and of one that ran it may still be so for a moment
; after it has ended: it is waited for. An installation that cannot be changed stays as it was.

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

!define PATIENCE 50     ; times a tenth of a second, for each file

Var InUse               ; the file that cannot be replaced or deleted, or nothing

; $InUse becomes the file on top of the stack where it cannot be written to.
Function CheckFree
  Exch $1
  ${If} $InUse == ""
  ${AndIf} ${FileExists} "$1"
    StrCpy $2 0
    ${Do}
      ClearErrors
      FileOpen $3 "$1" a
      ${IfNot} ${Errors}
        FileClose $3
        ${Break}
      ${EndIf}
      ${If} $2 >= ${PATIENCE}
        StrCpy $InUse "$1"
        ${Break}
      ${EndIf}
      Sleep 100
      IntOp $2 $2 + 1
    ${Loop}
  ${EndIf}
  Pop $1
FunctionEnd

; Deletes the file on top of the stack; where that cannot be done, Windows does it at its next start.
Function un.Delete
  Exch $1
  StrCpy $2 0
  ${Do}
    ClearErrors
    Delete "$1"
    ${IfNot} ${Errors}
      ${Break}
    ${EndIf}
    ${If} $2 >= ${PATIENCE}
      StrCpy $InUse "$1"
      Delete /REBOOTOK "$1"
      ${Break}
    ${EndIf}
    Sleep 100
    IntOp $2 $2 + 1
  ${Loop}
  Pop $1
FunctionEnd

!macro CheckFree PATH
  Push "${PATH}"
  Call CheckFree
!macroend

!macro Delete PATH
  Push "${PATH}"
  Call un.Delete
!macroend

Section
  SetOutPath "$INSTDIR"
  ; One of an earlier version: it is in the way while it is loaded.
  ${If} ${FileExists} "$INSTDIR\colinux-daemon.exe"
    nsExec::ExecToLog '"$INSTDIR\colinux-daemon.exe" --remove-driver'
    Pop $0
    ${If} $0 != 0
    ${AndIf} $0 != 14   ; it was not installed
      MessageBox MB_OK|MB_ICONSTOP "The driver of the version that is here cannot be removed (code $0). End all guests and their services, and try again." /SD IDOK
      SetErrorLevel 3
      Abort
    ${EndIf}
    StrCpy $4 $0
@CHECKS@
    ${If} $InUse != ""
      StrCpy $1 "Nothing has been changed."
      ${If} $4 == 0
        nsExec::ExecToLog '"$INSTDIR\colinux-daemon.exe" --install-driver'
        Pop $0
        ${If} $0 != 0
          StrCpy $1 "No file has been changed, but the driver is not loaded any more (code $0)."
        ${EndIf}
      ${EndIf}
      MessageBox MB_OK|MB_ICONSTOP "$InUse is in use. End what uses it, and try again. $1" /SD IDOK
      SetErrorLevel 3
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
  ; It runs as a copy of itself, but where its caller said _?=
  ${If} $EXEPATH != "$INSTDIR\uninstall.exe"
    !insertmacro Delete "$INSTDIR\uninstall.exe"
  ${EndIf}
@FOLDERS@
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${UNINSTALL}"
  DeleteRegKey HKLM "Software\Cooperative Linux"
  ${If} $InUse != ""
    MessageBox MB_OK|MB_ICONEXCLAMATION "$InUse is in use. Windows deletes it at its next start." /SD IDOK
    SetErrorLevel 3
  ${EndIf}
SectionEnd
